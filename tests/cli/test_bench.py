"""regard bench: numbers that agree with each other and with regard cost, and errors in one line."""

from __future__ import annotations

import json
import re
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
    "model.max_length=16",
    "tokenizer=byte",
    "logger=none",
]
QUICK = ["--seconds", "600", "--sequences", "3"]  # nothing is left out on a busy machine
Regard = Callable[..., Any]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("regard.bench.measurement.REPETITIONS", 2)
    return tmp_path


def test_every_task_is_measured_with_its_own_operations(regard: Regard, elsewhere: Path) -> None:
    found = regard(
        *("bench", "-m", *SMALL, "task=translation,language,captioning", "trainer.precision=bf16-mixed"),
        *("positions=learned", "trainer.accumulate_grad_batches=2", *QUICK, "--json"),
    )
    assert found.code == 0, found.err
    benches = {each["name"].split()[0]: each for each in map(json.loads, found.out.splitlines())}
    operations = {
        name: [(at["name"], at["sequences"], at["tokens"]) for at in each["measurements"][1:]]
        for name, each in benches.items()
    }
    decoding = [("greedy search", 3, 3 * 16), ("beam search, 4", 3, 3 * 16)]
    assert operations == {
        "task=translation": decoding,
        "task=language": [("generation", 1, 8), ("generation", 3, 3 * 8)],
        "task=captioning": decoding,
    }
    for each in benches.values():
        assert each["matmul_flops_per_second"] > 0
        assert each["resident_memory"] > 2**20
        assert each["compilation_seconds"] is None
        for at in each["measurements"]:
            assert at["repetitions"] >= 1
            assert at["tokens_per_second"] * at["seconds"] == pytest.approx(at["tokens"])
            assert at["flops_per_second"] * at["seconds"] == pytest.approx(at["flops"])
            assert at["share"] * each["matmul_flops_per_second"] == pytest.approx(at["flops_per_second"])
            assert at["memory"] > 4 * each["parameters"]
    assert list(elsewhere.iterdir()) == []  # no run folder, no cache


def test_flops_and_memory_of_training_are_those_of_cost(regard: Regard) -> None:
    arguments = [*SMALL, "task=language", "batches.tokens_per_batch=64", "--json"]
    measured = json.loads(regard("bench", *arguments, *QUICK).out)["measurements"][0]
    (predicted,) = json.loads(regard("cost", *arguments, "--seconds", "0.1", "--lengths", "16").out)["lengths"]
    assert measured["tokens"] == predicted["tokens"]
    assert measured["flops"] == pytest.approx(predicted["training_flops"] * predicted["tokens"])
    assert measured["memory"] == predicted["memory"]["peak"]


def test_the_table_has_the_operations(regard: Regard) -> None:
    found = regard("bench", *SMALL, "task=language", *QUICK, "--length", "12")
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    assert [re.split(r"  +", line)[1] for line in lines[1:4]] == ["training step", "generation", "generation"]
    assert "matrix products of the training step" in found.out
    assert "sequences of 12 tokens" in found.out


def test_a_step_that_does_not_fit_is_not_run(regard: Regard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regard.cost.device.available_memory", lambda: 1000)
    found = json.loads(regard("bench", *SMALL, "task=language", *QUICK, "--json").out)
    assert found["matmul_flops_per_second"] is None
    assert [at["name"] for at in found["measurements"]] == ["generation", "generation"]
    assert [at["share"] for at in found["measurements"]] == [None, None]
    assert any("no training step" in note and "usable memory" in note for note in found["notes"])


def test_what_takes_too_long_is_not_run(regard: Regard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regard.bench.bench.flops_per_second", lambda device: 1.0)
    monkeypatch.setattr("regard.bench.bench._seconds", lambda run, device: 10.0)  # of the first tokens
    found = json.loads(regard("bench", *SMALL, "task=language", "--seconds", "1", "--sequences", "3", "--json").out)
    assert found["measurements"] == []
    assert any("no training step" in note and "--seconds 1" in note for note in found["notes"])
    assert any("no generation of 3: it would take about 10 s (--seconds 1)" in note for note in found["notes"])


def test_a_compiled_step_is_measured_after_its_compilation(regard: Regard, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr("regard.bench.bench.compile_training", lambda *both: compiled.append(both))
    found = json.loads(regard("bench", *SMALL, "task=language", "task.compile=true", *QUICK, "--json").out)
    assert len(compiled) == 1
    assert found["compiled"]
    assert found["compilation_seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model.dmi=3"], "model.dim"),
        (["--seconds", "0"], "--seconds"),
        (["--length", "1"], "--length"),
        (["--sequences", "0"], "--sequences"),
        (["--no-such-option"], "--no-such-option"),
        (["trainer=gpu"], "trainer.accelerator=gpu"),
        (["task=text_to_image", "model.max_length=16"], "task=text_to_image"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], words: str, regard: Regard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    found = regard("bench", *SMALL, *arguments)
    assert found.code == 2, found.err
    assert words in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""
