"""Evaluation of averaged weights and of other texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.errors import RegardError, UsageError
from regard.instantiate import build
from regard.runs.evaluate import evaluate_pairs, evaluate_split, run_config
from regard.runs.folder import RunFolder
from regard.training.checkpoint import average_snapshots, read_checkpoint

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


def test_files_and_split_with_the_same_text_have_the_same_scores(
    finished: RunFolder, corpus: Path, tmp_path: Path
) -> None:
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


def test_lines_over_the_limit_are_cut_and_reported(finished: RunFolder, tmp_path: Path) -> None:
    source, target = tmp_path / "own.en", tmp_path / "own.de"
    source.write_text("the house\n" + "the house " * 400 + "\n")
    target.write_text("das Haus\ndas Haus\n")
    scorer, said = build(run_config(finished, 1, None)["task"]["scorer"]), []
    evaluate_pairs(finished, scorer, source, target, None, "cpu", said.append)
    assert len(said) == 1
    assert f"{source}: 1 lines cut to the model's limit of 32 tokens, the first is line 2" in said[0]
    for file in (source, target):
        file.write_text("")
    with pytest.raises(RegardError, match="are empty; expected at least one pair"):
        evaluate_pairs(finished, scorer, source, target, None, "cpu", no_warning)


def test_evaluating_inside_a_slurm_allocation_equals_outside(
    finished: RunFolder, regard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = regard("evaluate", finished.path)
    for name, value in {"JOB_ID": 77, "NTASKS": 4, "JOB_NAME": "batch", "PROCID": 0, "LOCALID": 0, "NODEID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    found = regard("evaluate", finished.path)
    assert found.code == 0, found.err
    assert found.out == alone.out
