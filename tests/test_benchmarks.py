"""experiments/benchmarks: the comparison of regard with its peers, on a small model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ["model.depth=1", "model.dim=16", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=8"]


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / "benchmarks" / "compare.py"), *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_each_peer_has_a_ratio_and_one_that_is_not_installed_is_left_out(tmp_path: Path) -> None:
    rows = ["--rows", "4 layers, dim 128, block 64", "--seconds", "0.1", "--threads", "1"]
    done = compare(tmp_path, "lm", *SMALL, *rows, "--peers", "bare", "litgpt", "--output", "results.json")
    assert done.returncode == 0, done.stderr
    assert "litgpt is left out: litgpt is not installed; pip install litgpt==" in done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["row"][-4:] for row in results["rows"]] == ["fp32", "bf16"]
    for row in results["rows"]:
        assert row["tokens_per_second"].keys() == {"regard", "bare"}
        ours, theirs = (row["seconds_per_token"][name] for name in ("regard", "bare"))
        assert len(ours) == row["steps"] > 1
        assert row["ratios"]["bare"] == median(
            b / a for a, b in zip(ours, theirs, strict=True)
        )  # above 1: regard is faster
        assert f"| {row['row']} |" in done.stdout
    assert "| Language model training | regard, tokens/s | bare | steps |" in done.stdout
    assert "model.depth=1" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--data", "nowhere"], "nowhere: not found; name the folder of Multi30k with --data"),
        (["train", "--rows", "huge"], "--rows huge: no such row of train, which have: tiny, 4,096 tokens, fp32"),
        (["training"], "training: expected one of train, lm, generate, decode"),
        (["lm", "model.dmi=3"], "model.dim"),
    ],
)
def test_errors_are_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = compare(tmp_path, *arguments, "--peers", "bare")
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
