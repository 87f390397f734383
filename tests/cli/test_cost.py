"""regard cost: one line per configuration, a page, and errors in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = [
    "model=demo",
    "model.depth=1",
    "model.dim=16",
    "model.num_heads=2",
    "model.ffn_dim=32",
    "model.max_length=32",
    "logger=none",
]
QUICK = ["--seconds", "0.1"]
Regard = Callable[..., Any]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_grid_has_one_line_of_json_per_configuration(regard: Regard, elsewhere: Path) -> None:
    found = regard(
        *("cost", "-m", *SMALL, "task=language,captioning", "positions=learned", *QUICK),
        *("--lengths", "64,16", "--dollars-per-hour", "3.6", "--json"),
    )
    assert found.code == 0, found.err
    costs = [json.loads(line) for line in found.out.splitlines()]
    assert [cost["name"] for cost in costs] == ["task=language", "task=captioning"]
    for cost in costs:
        assert [at["length"] for at in cost["lengths"]] == [16, 32, 64]  # model.max_length is always included
        assert cost["run_length"] == 32
        assert cost["fits"] is True
        for at in cost["lengths"]:
            assert at["training_flops"] > 2 * at["forward_flops"] > 0
            assert at["training_seconds"] > 0
            assert at["generation_seconds"] > 0
            # $3.60 per hour are $0.001 per second.
            assert at["dollars_per_run"] == pytest.approx(at["training_seconds"] * cost["steps"] / 1000)
            assert at["dollars_per_million"] == pytest.approx(at["training_seconds"] / at["tokens"] * 1000)
        assert cost["quadratic_from"] > 1
        assert all(isinstance(value, float) for value in cost["exponents"].values())
        assert [at["cache"] for at in cost["lengths"]] == sorted({at["cache"] for at in cost["lengths"]})
    assert list(elsewhere.iterdir()) == []  # no run folder, no cache


def test_a_table_and_a_page(regard: Regard, elsewhere: Path) -> None:
    page = elsewhere / "cost.html"
    found = regard("cost", *SMALL, *QUICK, "--lengths", "16,32", "--page", page)
    assert found.code == 0, found.err
    for words in ("decoder cross-attention", "activations", "quadratic from", "generated token", "cost.html"):
        assert words in found.out
    assert "$" not in found.out.replace("$/", "")
    written = page.read_text()
    assert '"perSequence":' in written
    assert "Plotly" in written


def test_a_step_that_does_not_fit_is_not_run(regard: Regard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regard.cost.device.available_memory", lambda: 1_200_000)
    found = regard("cost", *SMALL, *QUICK, "task=language", "--lengths", "16", "--json")
    cost = json.loads(found.out)
    assert cost["fits"] is False
    assert "batches.tokens_per_batch=" in cost["advice"]
    assert any("no times from length 16: a step needs" in note for note in cost["notes"])
    assert cost["lengths"][0]["training_seconds"] is None


def test_a_step_that_takes_too_long_is_not_run(regard: Regard) -> None:
    found = regard("cost", *SMALL, "task=language", "--seconds", "0.1", "--lengths", "16,4000000", "--json")
    cost = json.loads(found.out)
    assert [at["training_seconds"] is None for at in cost["lengths"]] == [False, False, True]
    assert any("no times from length 4,000,000" in note for note in cost["notes"])


def test_a_device_of_another_machine_and_an_unknown_vocabulary_are_noted(
    regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    found = regard(
        *("cost", *SMALL, "task=language", "trainer=gpu", "tokenizer=char", "tokenizer.vocab_size=null"),
        *("--lengths", "16", "--json"),
    )
    assert found.code == 0, found.err
    cost = json.loads(found.out)
    assert (cost["device"], cost["fits"], cost["vocab_size"]) == (None, None, 1000)
    assert any("trainer.accelerator=gpu" in note for note in cost["notes"])
    assert any("1,000 tokens are assumed" in note for note in cost["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model.dmi=3"], "model.dim"),
        (["model=nosuch"], "nosuch"),
        (["--lengths", "16,x"], "--lengths 16,x"),
        (["--dollars-per-hour", "-1"], "dollars-per-hour"),
        (["--no-such-option"], "--no-such-option"),
        (["--page", f"{__file__}/page.html"], "page.html"),
        (["model.num_heads=3"], "num_heads"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str, regard: Regard, elsewhere: Path) -> None:
    found = regard("cost", *SMALL, *arguments)
    assert found.code == 2, found.err
    assert words in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""
    assert list(elsewhere.iterdir()) == []
