"""The moving average of the weights: its values and device, and its use in validations and checkpoints."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import pytorch_lightning as pl
import torch

from regard.errors import UsageError
from regard.launch.resume import prepare_resume
from regard.observe.record.maps import load_maps
from regard.observe.record.trace import trace
from regard.runs.evaluate import evaluate_split, run_config
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.callbacks.moving_average import MovingAverage
from regard.training.checkpoint import load_model, load_weights, read_checkpoint

pytestmark = pytest.mark.xdist_group("moving_average")  # they share a run

MakeRun = Callable[..., RunFolder]


def module_of(value: float, device: str = "cpu") -> pl.LightningModule:
    """A module with one weight."""
    module = pl.LightningModule()
    module.weight = torch.nn.Parameter(torch.full((1,), value, device=device))
    return module


def stand_in(step: int) -> pl.Trainer:
    """A stand-in for a Trainer at this step."""
    return cast(pl.Trainer, SimpleNamespace(global_step=step))


def test_the_average_warms_up() -> None:
    module, average, expected = module_of(100.0), MovingAverage(decay=0.5), 100.0
    average.on_train_start(stand_in(0), module)
    for step in range(1, 13):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.on_train_batch_end(stand_in(step - 1), module, None, None, 0)  # accumulated: no step has ended
        average.on_train_batch_end(stand_in(step), module, None, None, 1)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    average.on_validation_start(stand_in(12), module)
    assert module.weight.item() == pytest.approx(expected)
    average.on_train_batch_start(stand_in(12), module, None, 0)
    assert module.weight.item() == 12.0
    assert MovingAverage(0.999).decay_at(1_000_000) == 0.999


def test_the_average_is_on_the_device_of_the_weights() -> None:
    average = MovingAverage(decay=0.9)
    average.on_train_start(stand_in(0), module_of(1.0, device="meta"))
    assert [weight.device.type for weight in average._inactive.values()] == ["meta"]


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2, float("nan")])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(UsageError, match=r"callbacks.moving_average.decay"):
        MovingAverage(decay)


AVERAGED = ["callbacks=moving_average", "callbacks.moving_average.decay=0.7", "trainer.max_steps=12"]


@pytest.fixture(scope="module")
def averaged(make_run: MakeRun) -> RunFolder:
    run = make_run(*AVERAGED, "callbacks.attention.sentences=1", "name=averaged")
    assert work(run.path) == 0
    return run


def test_the_moving_average_is_validated_and_saved(averaged: RunFolder) -> None:
    last, best = (read_checkpoint(averaged.checkpoints / f"{name}.ckpt") for name in ("last.previous", "best"))
    difference = max((last["state_dict"][n] - w).abs().max() for n, w in last["current_model_state"].items())
    assert difference > 1e-4
    config = run_config(averaged, None, None)
    found, task = evaluate_split(averaged, config, "validation", None, "cpu", print)
    with averaged.metrics.open(newline="") as file:
        losses = [float(row["validation/loss"]) for row in csv.DictReader(file) if row["validation/loss"]]
    assert found["validation/loss"] == pytest.approx(min(losses), rel=1e-5)
    load_weights(task.model, best | {"state_dict": best["current_model_state"]}, averaged.path)
    prefix, source = torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])
    trained = task.model.eval()(prefix, source)
    load_weights(task.model, best, averaged.path)
    assert not torch.allclose(task.model.eval()(prefix, source), trained)


def test_attention_is_recorded_with_the_average(averaged: RunFolder) -> None:
    loaded = load_model(averaged.checkpoints / "last.ckpt")
    kept = load_maps(averaged.attention / "step-0000012.npz")[0]
    source = "".join(kept.source).replace("</s>", "").replace("▁", " ").strip()
    now = trace(loaded.generator, source).maps
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


def test_snapshots_have_the_average(averaged: RunFolder) -> None:
    last = read_checkpoint(averaged.checkpoints / "last.ckpt")
    snapshot = read_checkpoint(averaged.checkpoints / "snapshot-0000012.ckpt")["state_dict"]
    assert all(weight.equal(last["state_dict"][name]) for name, weight in snapshot.items())
    assert not all(weight.equal(last["current_model_state"][name]) for name, weight in snapshot.items())


def test_more_steps_continue_from_the_trained_weights(make_run: MakeRun) -> None:
    constant = ["schedule=constant", "schedule.warmup_steps=1"]
    whole, parts = (make_run(*AVERAGED, *constant, f"trainer.max_steps={n}", f"name=more_{n}") for n in (12, 8))
    assert work(whole.path) == work(parts.path) == 0
    prepare_resume([parts], ["trainer.max_steps=12"])
    assert work(parts.path) == 0
    one, two = (read_checkpoint(run.checkpoints / "last.ckpt") for run in (whole, parts))
    for state in ("state_dict", "current_model_state"):
        assert all(weight.equal(two[state][name]) for name, weight in one[state].items())
