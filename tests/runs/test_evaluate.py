"""Evaluating means of weights, and texts of one's own."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.errors import RegardError, UsageError
from regard.model.translator import Translator
from regard.observe.maps import load_maps
from regard.observe.recording import record_attention
from regard.runs.evaluate import evaluate_pairs, evaluate_split, run_config
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.build import build
from regard.training.checkpoint import average_snapshots, load_model, load_weights, read_checkpoint

MakeRun = Callable[..., RunFolder]


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_the_mean_of_snapshots_is_evaluated(finished: RunFolder) -> None:
    paths = sorted(finished.checkpoints.glob("snapshot-*.ckpt"))
    assert len(paths) == 2
    first, last = (read_checkpoint(path)["state_dict"] for path in paths)
    mean = average_snapshots(finished.checkpoints, 2)["state_dict"]
    assert mean.keys() == last.keys()
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (first[name] + last[name]) / 2)
    config = run_config(finished, None, None)
    one, two = (
        evaluate_split(finished, config, "test", average, "cpu", no_warning)[0]["test/loss"] for average in (1, 2)
    )
    assert one != two
    with pytest.raises(UsageError, match=r"--average 3: .*checkpoints has 2 snapshots"):
        average_snapshots(finished.checkpoints, 3)


def test_files_of_ones_own_score_as_a_split_does(finished: RunFolder, corpus: Path, tmp_path: Path) -> None:
    pairs = [line.split("\t") for line in (corpus / "test.tsv").read_text(encoding="utf-8").splitlines()]
    source, target = tmp_path / "own.en", tmp_path / "own.de"
    for number, file in enumerate((source, target)):
        file.write_text("".join(f"{pair[number]}\n" for pair in pairs), encoding="utf-8")
    config = run_config(finished, 2, 0.5)
    expected, task = evaluate_split(finished, config, "test", None, "cpu", no_warning)
    scorer = build(config["task"]["scorer"])
    found, outputs = evaluate_pairs(finished, scorer, source, target, None, "cpu", no_warning)
    assert outputs == [sample.output for sample in task.samples]
    for name in ("loss", "perplexity", "bleu", "chrf", "exact"):
        assert found[f"test/{name}"] == pytest.approx(expected[f"test/{name}"], rel=1e-5)


def test_lines_over_the_limit_are_cut_and_said(finished: RunFolder, tmp_path: Path) -> None:
    source, target = tmp_path / "own.en", tmp_path / "own.de"
    source.write_text("the house\n" + "the house " * 400 + "\n")
    target.write_text("das Haus\ndas Haus\n")
    scorer, said = build(run_config(finished, 1, None)["task"]["scorer"]), []
    evaluate_pairs(finished, scorer, source, target, None, "cpu", said.append)
    assert len(said) == 1
    assert f"{source}, 1 lines, the first is 2: cut to the model's 256 tokens" in said[0]
    for file in (source, target):
        file.write_text("")
    with pytest.raises(RegardError, match="are empty; give at least one pair"):
        evaluate_pairs(finished, scorer, source, target, None, "cpu", no_warning)


AVERAGED = ["callbacks=moving_average", "callbacks.moving_average.decay=0.7", "trainer.max_steps=12"]


@pytest.fixture(scope="module")
def averaged(make_run: MakeRun) -> RunFolder:
    run = make_run(*AVERAGED, "callbacks.attention.sentences=1", "name=averaged")
    assert work(run.path) == 0
    return run


def test_the_moving_average_is_what_is_validated_and_kept(averaged: RunFolder) -> None:
    last, best = (read_checkpoint(averaged.checkpoints / f"{name}.ckpt") for name in ("last.previous", "best"))
    difference = max((last["state_dict"][n] - w).abs().max() for n, w in last["current_model_state"].items())
    assert difference > 1e-4
    config = run_config(averaged, None, None)
    found, task = evaluate_split(averaged, config, "validation", None, "cpu", no_warning)
    with averaged.metrics.open(newline="") as file:
        losses = [float(row["validation/loss"]) for row in csv.DictReader(file) if row["validation/loss"]]
    assert found["validation/loss"] == pytest.approx(min(losses), rel=1e-5)
    load_weights(task.model, best | {"state_dict": best["current_model_state"]}, averaged.path)
    prefix, source = torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])
    trained = task.model.eval()(prefix, source)
    load_weights(task.model, best, averaged.path)
    assert not torch.allclose(task.model.eval()(prefix, source), trained)


def test_attention_is_that_of_the_average_too(averaged: RunFolder) -> None:
    loaded = load_model(averaged.checkpoints / "last.ckpt")
    translator = Translator(loaded.model, loaded.source_tokenizer, loaded.target_tokenizer)
    kept = load_maps(averaged.attention / "step-0000012.npz")[0]
    source = "".join(kept.source).replace("</s>", "").replace("▁", " ").strip()
    now = record_attention(translator, source).maps
    assert now.target == kept.target
    for name, weights in now.maps.items():
        assert kept.maps[name] == pytest.approx(weights, abs=1e-3)


def test_a_run_with_a_moving_average_resumes_exactly(averaged: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(averaged.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    shutil.copy(run.checkpoints / "last.previous.ckpt", run.checkpoints / "last.ckpt")
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] < 12
    assert work(run.path) == 0

    def rows(folder: RunFolder) -> list[tuple[str, str, str]]:
        with folder.metrics.open(newline="") as file:
            return [(row["step"], row["train/loss"], row["validation/loss"]) for row in csv.DictReader(file)]

    assert rows(run) == rows(averaged)


def test_a_shell_in_a_slurm_allocation_evaluates_as_any_other(
    finished: RunFolder, regard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = regard("evaluate", finished.path)
    for name, value in {"JOB_ID": 77, "NTASKS": 4, "JOB_NAME": "batch", "PROCID": 0, "LOCALID": 0, "NODEID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    found = regard("evaluate", finished.path)
    assert found.code == 0, found.err
    assert found.out == alone.out
