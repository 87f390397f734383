"""Whole runs on a GPU: every task, precision and kind of training, resumed runs, and checkpoints on other devices."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import read_checkpoint
from regard.training.task import Task

MakeRun = Callable[..., RunFolder]
Regard = Callable[..., Any]

# Largest relative difference of the losses of six steps from those in float32 on a CPU. Rounding differs, and the
# optimizer magnifies it from step to step.
CLOSE = {"32-true": 2e-3, "bf16-mixed": 5e-2}
STEPS = ["trainer.max_steps=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=1", "optimizer.eps=1e-5"]
KINDS = {
    "compiled": ["task.compile=true"],
    "sharded": ["trainer=fsdp", "trainer.devices=1"],
    "recomputed layers": ["task.activation_checkpointing=true"],
}


def trained(run: RunFolder) -> RunFolder:
    assert work(run.path) == 0, (run.path / "log.txt").read_text()
    return run


def trained_alone(run: RunFolder) -> RunFolder:
    """Train in a new process: in this one, compilation would meet the checks of shapes."""
    done = subprocess.run([sys.executable, "-m", "regard.runs", run.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run


def column(run: RunFolder, name: str) -> list[float]:
    with run.metrics.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


@pytest.mark.parametrize("precision", CLOSE)
@pytest.mark.parametrize("task", ["translation", "language", "answers", "captioning"])
def test_losses_are_those_of_a_cpu(task: str, precision: str, accelerator: str, make_task_run: MakeRun) -> None:
    expected = trained(make_task_run(task, *STEPS))
    on = [f"trainer.accelerator={accelerator}", f"trainer.precision={precision}"]
    found = trained(make_task_run(task, *STEPS, *on))
    for name in ("train/loss", "validation/loss"):
        assert column(found, name) == pytest.approx(column(expected, name), rel=CLOSE[precision]), name
    device = json.loads((found.path / "summary.json").read_text())["device"]
    assert (device == "cpu") == (accelerator == "cpu")


@pytest.mark.parametrize("precision", CLOSE)
def test_a_model_that_draws_is_trained(precision: str, accelerator: str, make_task_run: MakeRun) -> None:
    """Its noise is drawn on the device: losses differ from those of a CPU."""
    on = [f"trainer.accelerator={accelerator}", f"trainer.precision={precision}"]
    run = trained(make_task_run("text_to_image", *STEPS, *on))
    assert 0 < column(run, "train/loss")[-1] < 10


@pytest.mark.parametrize("task", ["translation", "language", "captioning", "text_to_image"])
def test_no_step_of_a_run_waits_for_the_device(
    task: str, accelerator: str, make_task_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the third step to the seventh, which is logged; with the loop, the callbacks and the moves of batches."""
    step, modes = Task.training_step, iter(["default", "default", *["error"] * 4, "default"])

    def watched(self: Task, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        mode = next(modes)
        if accelerator == "gpu":
            torch.cuda.set_sync_debug_mode(mode)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", watched)
    rarely = [f"{key}=7" for key in ("max_steps", "val_check_interval", "log_every_n_steps")]
    options = [*(f"trainer.{each}" for each in rarely), "callbacks.last.every_n_steps=7"]
    try:
        trained(make_task_run(task, *options, f"trainer.accelerator={accelerator}", "trainer.precision=bf16-mixed"))
    finally:
        if accelerator == "gpu":
            torch.cuda.set_sync_debug_mode("default")
    assert next(modes, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_training_gives_the_same_losses(kind: str, accelerator: str, make_task_run: MakeRun) -> None:
    on = f"trainer.accelerator={accelerator}"
    expected = trained(make_task_run("language", *STEPS, on, "trainer.precision=bf16-mixed"))
    found = trained_alone(make_task_run("language", *STEPS, *KINDS[kind], on, "trainer.precision=bf16-mixed"))
    assert column(found, "train/loss") == pytest.approx(column(expected, "train/loss"), rel=CLOSE["bf16-mixed"])


@pytest.mark.parametrize("task", ["translation", "language", "text_to_image"])
def test_a_resumed_run_equals_one_that_was_never_stopped(
    task: str, accelerator: str, make_task_run: MakeRun, tmp_path: Path
) -> None:
    options = [f"trainer.accelerator={accelerator}", "trainer.deterministic=true", "model.dropout=0.1"]
    whole = trained(make_task_run(task, *STEPS, *options, "callbacks.last.every_n_steps=3"))
    stopped = RunFolder(Path(shutil.copytree(whole.path, tmp_path / "run")))
    shutil.copy(stopped.checkpoints / "last.previous.ckpt", stopped.checkpoints / "last.ckpt")
    assert read_checkpoint(stopped.checkpoints / "last.ckpt")["global_step"] == 3
    trained(stopped)
    for name in ("train/loss", "train/gradient_norm", "validation/loss"):
        assert column(stopped, name) == column(whole, name), name
    one, other = (read_checkpoint(run.checkpoints / "last.ckpt")["state_dict"] for run in (whole, stopped))
    assert all(one[name].equal(other[name]) for name in one)


def test_a_checkpoint_moves_to_another_device_and_back(accelerator: str, make_task_run: MakeRun) -> None:
    """With a learning rate of 0 nothing changes on the way."""
    still = [*STEPS, "optimizer.lr=0.0"]
    first = trained(make_task_run("translation", *STEPS, f"trainer.accelerator={accelerator}"))
    there = trained(make_task_run("translation", *still, f"init_from={first.path}"))
    back = trained(
        make_task_run("translation", *still, f"init_from={there.path}", f"trainer.accelerator={accelerator}")
    )
    one, other = (read_checkpoint(run.checkpoints / "best.ckpt")["state_dict"] for run in (first, back))
    assert all(one[name].equal(other[name]) for name in one)
    assert {weight.device.type for weight in one.values()} == {"cpu"}


VERBS = {
    "translate": ("translation", ["--beam-size", "4"], "the house is red\nthe boat is very, blue\n"),
    "generate": ("language", ["--prompt", "the house", "--temperature", "0", "--max-new-tokens", "10"], ""),
    "score": ("language", [], "the house is red\n"),
    "evaluate": ("captioning", ["--split", "validation"], ""),
    "heads": ("translation", ["--sentences", "5", "--json"], ""),
    "attend": ("translation", ["--source", "the house is red", "--output", "page.html"], ""),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_gives_the_results_of_a_cpu(
    verb: str, device: Any, make_task_run: MakeRun, regard: Regard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task, options, stdin = VERBS[verb]
    run = trained(make_task_run(task, *STEPS))
    expected, found = (
        regard(verb, run.path, *options, "--device", place, stdin=stdin) for place in ("cpu", device.type)
    )
    assert found.code == expected.code == 0, found.err
    numbers = re.compile(r"-?\d+\.\d+")
    assert numbers.sub("", found.out) == numbers.sub("", expected.out)
    values = [[float(number) for number in numbers.findall(each.out)] for each in (found, expected)]
    assert values[0] == pytest.approx(values[1], rel=1e-2, abs=2e-3)
