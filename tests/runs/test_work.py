"""The content of a run folder, and the outcome of failed runs."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import signal
import statistics
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.observe.record.maps import load_maps
from regard.runs.folder import RunFolder, find_checkpoint
from regard.runs.work import work
from regard.training.callbacks.metrics_file import read_rows
from regard.training.checkpoint import load_model, read_checkpoint
from regard.training.schedule import cosine
from regard.training.task import Task

MakeRun = Callable[..., RunFolder]


def rows(run: RunFolder) -> list[dict[str, str]]:
    with run.metrics.open(newline="") as file:
        return list(csv.DictReader(file))


def losses(run: RunFolder) -> list[str]:
    return [row["train/loss"] for row in rows(run)]


def test_run_folder_is_a_complete_record(finished: RunFolder) -> None:
    status = finished.status()
    assert (status["status"], status["attempt"]) == ("finished", 1)
    assert [row["step"] for row in rows(finished)] == ["1", "2", "3", "4", "5", "6"]
    assert all(math.isfinite(float(loss)) for loss in losses(finished))
    validated = [row["step"] for row in rows(finished) if row["validation/loss"]]
    assert validated == ["4", "6"], "at the interval, and after the last step"
    names = {path.name for path in finished.checkpoints.iterdir()}
    assert names == {
        "best.ckpt", "last.ckpt", "last.previous.ckpt", "snapshot-0000004.ckpt", "snapshot-0000006.ckpt"
    }  # fmt: skip
    samples = [json.loads(line) for line in (finished.path / "samples.jsonl").read_text().splitlines()]
    assert {sample["step"] for sample in samples} == {4, 6}
    assert set(samples[0]) == {"step", "source", "reference", "output"}
    summary = json.loads((finished.path / "summary.json").read_text())
    assert {"test/loss", "test/bleu", "test/chrf", "test/exact", "test/perplexity"} <= set(summary["metrics"])
    assert 0 <= summary["metrics"]["test/exact"] <= 1
    assert "nrefs:1" in summary["signatures"]["bleu"]
    assert "finished" not in (finished.path / "config.yaml").read_text().replace("name: finished", "")


def test_tokens_and_seconds_add_up_to_the_speed(finished: RunFolder) -> None:
    """Between two rows without a validation, tokens = speed * seconds."""
    table = [
        {name: float(row[f"train/{name}"]) for name in ("tokens", "seconds", "tokens_per_second")}
        for row in rows(finished)
    ]
    tokens = [row["tokens"] for row in table]
    assert all(0 < later - sooner <= 128 for sooner, later in pairwise([0, *tokens])), "no more than fits a batch"
    assert [row["seconds"] for row in table] == sorted(row["seconds"] for row in table)
    shares = [
        (later["tokens"] - sooner["tokens"]) / (later["seconds"] - sooner["seconds"]) / later["tokens_per_second"]
        for sooner, later in pairwise(table[:4])
    ]
    assert statistics.median(shares) == pytest.approx(1, rel=0.1)


def test_frozen_paths_are_absolute_and_do_not_contain_the_run_folder(finished: RunFolder) -> None:
    config = finished.config()
    assert all(Path(path).is_absolute() for path in config["paths"].values())
    assert str(finished.path) not in (finished.path / "config.yaml").read_text()


def test_attention_probe_stores_every_layer_and_head(finished: RunFolder) -> None:
    sentence, *extremes = load_maps(finished.attention / "step-0000006.npz")
    assert len(extremes) == 2, "the worst and the best"
    assert set(sentence.maps) == {"encoder.0.self", "decoder.0.self", "decoder.0.cross"}
    assert sentence.maps["decoder.0.cross"].shape == (2, len(sentence.target), len(sentence.source))
    assert sentence.maps["decoder.0.cross"].sum(-1) == pytest.approx(1.0, abs=0.01)
    assert (finished.attention / "index.html").stat().st_size > 1000
    assert "attention/decoder.0.cross/entropy/1" in rows(finished)[-1]


def test_snapshots_hold_weights_and_no_optimizer(finished: RunFolder) -> None:
    snapshot = read_checkpoint(finished.checkpoints / "snapshot-0000004.ckpt")
    assert "optimizer_states" not in snapshot
    assert load_model(finished.checkpoints / "snapshot-0000004.ckpt").step == 4


def test_a_checkpoint_alone_is_enough(finished: RunFolder, tmp_path: Path) -> None:
    alone = tmp_path / "model.ckpt"
    alone.write_bytes((finished.checkpoints / "best.ckpt").read_bytes())
    loaded = load_model(alone)
    assert loaded.task == "translation"
    assert loaded.tokenizers.target.decode(loaded.tokenizers.target.encode("das Haus")) == "das Haus"


def test_the_learning_rate_of_a_step_is_the_one_it_used(finished: RunFolder) -> None:
    rates = [float(row["train/learning_rate"]) for row in read_rows(finished.metrics) if "train/learning_rate" in row]
    factor = cosine(warmup_steps=1, total_steps=6)
    assert rates == pytest.approx([0.01 * factor(step) for step in range(6)])


def test_one_batch_can_be_learned_to_zero_loss(make_run: MakeRun) -> None:
    run = make_run("trainer=overfit", "trainer.max_steps=250", "optimizer.lr=0.01", "model.dim=32", "name=overfit")
    assert work(run.path) == 0
    assert float(losses(run)[0]) > 2
    assert float(losses(run)[-1]) < 0.02


def test_separate_vocabularies(make_run: MakeRun) -> None:
    run = make_run("tokenizer.joint=false", "tokenizer.vocab_size=40", "trainer=debug", "name=separate")
    assert work(run.path) == 0
    loaded = load_model(find_checkpoint(run.path))
    assert not loaded.tokenizers.joint
    assert loaded.config["source_vocab_size"] == 40


def test_without_a_test_part_a_run_ends_after_training(make_run: MakeRun) -> None:
    run = make_run("data.test=null", "trainer=debug", "name=untested")
    assert work(run.path) == 0
    assert "test/loss" not in json.loads((run.path / "summary.json").read_text())["metrics"]


def test_nan_stops_the_run_and_keeps_the_good_checkpoint(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("name=nan", "callbacks.last.every_n_steps=1")
    step = Task.training_step

    def training_step(self: Task, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:
        shares = step(self, batch, batch_idx)
        return {name: share * (torch.nan if batch_idx == 2 else 1) for name, share in shares.items()}

    monkeypatch.setattr(Task, "training_step", training_step)
    assert work(run.path) == 1
    assert run.status()["status"] == "failed"
    assert "optimizer.lr" in capsys.readouterr().err
    last = read_checkpoint(run.checkpoints / "last.ckpt")
    assert last["global_step"] == 2
    assert all(weights.isfinite().all() for weights in last["state_dict"].values())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "batches.tokens_per_batch"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), "batches.tokens_per_batch"),
        (OSError(errno.ENOSPC, "No space left on device", "last.ckpt"), "no space left"),
        (ZeroDivisionError("surprise"), "log.txt"),
    ],
)
def test_every_failure_is_one_line_and_its_traceback_is_logged(
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
) -> None:
    run = make_run("name=broken")

    def training_step(self: Task, batch: Any, batch_idx: int) -> None:
        raise error

    monkeypatch.setattr(Task, "training_step", training_step)
    assert work(run.path) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("regard:")]
    assert len(said) == 1
    assert words in said[0]
    assert run.status()["status"] == "failed"
    assert words in run.status()["why"]
    assert "Traceback" in (run.path / "log.txt").read_text()


def test_two_processes_cannot_work_on_one_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    from regard.errors import UsageError

    run = make_run("name=taken")
    with FileLock(run.path / ".working"), pytest.raises(UsageError, match="another process"):
        work(run.path)


def test_time_limit_too_short_for_a_step_is_not_retried_forever(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("name=hasty")
    with monkeypatch.context() as patched:
        patched.setattr("regard.runs.work.make_task", lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
        assert [work(run.path) for _ in range(3)] == [75, 75, 1]
    status = run.status()
    assert status["status"] == "failed"
    assert "hydra.launcher.time_minutes" in status["why"]
    assert work(run.path) == 0
