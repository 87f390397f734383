"""experiments/benchmarks: the comparison of regard with its peers, on a small model."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

Compare = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[1]
SMALL = ["model.depth=1", "model.dim=16", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=8"]


@pytest.fixture
def compare(
    importable: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs compare.py in this process; returns the exit code, stdout and stderr."""
    folder = ROOT / "experiments" / "benchmarks"
    importable(folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["compare.py", *arguments])
        code = 0
        try:
            runpy.run_path(str(folder / "compare.py"), run_name="__main__")
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def test_each_peer_has_a_ratio_and_one_that_is_not_installed_is_left_out(tmp_path: Path, compare: Compare) -> None:
    rows = ["--rows", "4 layers, dim 128, block 64", "--seconds", "0.5", "--threads", "1"]
    code, out, errors = compare(
        "lm", *SMALL, *rows, "--peers", "bare", "litgpt", "--output", str(tmp_path / "results.json")
    )
    assert code == 0, errors
    assert "litgpt is left out: litgpt is not installed; pip install litgpt==" in errors
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["row"][-4:] for row in results["rows"]] == ["fp32", "bf16"]
    for row in results["rows"]:
        assert row["tokens_per_second"].keys() == {"regard", "bare"}
        ours, theirs = (row["seconds_per_token"][name] for name in ("regard", "bare"))
        assert len(ours) == row["steps"] > 1
        assert row["ratios"]["bare"] == median(
            b / a for a, b in zip(ours, theirs, strict=True)
        )  # above 1: regard is faster
        assert f"| {row['row']} |" in out
    assert "| Language model training | regard, tokens/s | bare | steps |" in out
    assert "model.depth=1" in out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--data", "nowhere"], "nowhere: not found; name the folder of Multi30k with --data"),
        (["train", "--rows", "huge"], "--rows huge: no such row of train, which have: tiny, 4,096 tokens, fp32"),
        (["training"], "training: expected one of train, lm, generate, decode"),
        (["lm", "model.dmi=3"], "model.dim"),
    ],
)
def test_errors_are_one_line(arguments: list[str], words: str, compare: Compare) -> None:
    code, _, errors = compare(*arguments, "--peers", "bare")
    assert code == 2
    assert words in errors.splitlines()[-1]
