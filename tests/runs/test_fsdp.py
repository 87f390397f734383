"""A model sharded over two processes is trained, saved and stopped like an unsharded one."""

from __future__ import annotations

import csv
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from warm import WarmProcess

from regard.config.compose import compose_points
from regard.errors import UsageError
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import load_model, read_checkpoint

pytestmark = pytest.mark.xdist_group("fsdp")  # they share a run

MakeRun = Callable[..., RunFolder]
Launch = Callable[[list[RunFolder]], int]

# With a validation, after which only rank 0 records attention, and with a final validation.
SHORT = ["model.depth=2", "trainer.max_steps=8", "trainer.log_every_n_steps=1", "callbacks.last.every_n_steps=8"]
# The gradient of a key bias is 0, because softmax ignores a constant in all scores. Rounding leaves about 1e-9, which
# differs between processors and which Adam with a smaller eps would amplify.
SHORT += ["optimizer.eps=1e-5"]
ONE = {"strategy": "auto", "devices": 1, "accumulate_grad_batches": 2, "val_check_interval": 8}
SHARDED = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.val_check_interval=4", *SHORT]
TRAINING = ("train/loss", "train/gradient_norm")


def column(run: RunFolder, name: str) -> list[float]:
    with run.metrics.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def log(run: RunFolder) -> str:
    return (run.path / "log.txt").read_text()


@pytest.fixture(scope="module")
def one(make_run: MakeRun) -> RunFolder:
    """A run of one process that accumulates the batches of two."""
    choices = [f"trainer.{name}={value}" for name, value in ONE.items()]
    run = make_run(*SHORT, "model.dropout=0.0", *choices, "name=one")
    assert work(run.path) == 0
    return run


@pytest.fixture(scope="module")
def two(make_run: MakeRun, launch: Launch) -> RunFolder:
    run = make_run(*SHARDED, "model.dropout=0.0", "name=two")
    assert launch([run]) == 0, log(run)
    return run


def test_sharded_equals_whole(one: RunFolder, two: RunFolder) -> None:
    assert max(column(one, "train/gradient_norm")) > 1.0, "nothing was clipped"
    for name in (*TRAINING, "validation/loss", "test/loss"):
        assert column(two, name) == pytest.approx(column(one, name), rel=2e-5), name
    for name in ("validation/accuracy", "validation/bleu", "test/bleu", "attention/decoder.1.cross/entropy/0"):
        assert column(two, name) == pytest.approx(column(one, name), abs=1e-4), name
    assert len(column(two, "validation/loss")) == 2, "one on the way, one at the end"


def test_checkpoint_of_sharded_training_is_a_normal_checkpoint(one: RunFolder, two: RunFolder, regard: Any) -> None:
    whole, sharded = (read_checkpoint(run.checkpoints / "last.ckpt") for run in (one, two))
    assert list(sharded) == list(whole)
    assert_alike(sharded["state_dict"], whole["state_dict"])
    (state,), (expected,) = sharded["optimizer_states"], whole["optimizer_states"]
    assert [group["params"] for group in state["param_groups"]] == [
        group["params"] for group in expected["param_groups"]
    ]
    for name in expected["state"]:
        assert_alike(state["state"][name], expected["state"][name])
    assert load_model(two.checkpoints / "best.ckpt").step == 8
    source = "the house is red\nthe boat is very, blue\n"
    said, wanted = (regard("translate", run.checkpoints / "best.ckpt", stdin=source) for run in (two, one))
    assert said.code == 0
    assert said.out == wanted.out


def assert_alike(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert type(found[name]) is torch.Tensor
        torch.testing.assert_close(found[name], value, rtol=2e-3, atol=2e-5, msg=name)


@pytest.mark.filterwarnings("default:the checkpoint was saved by:UserWarning")
@pytest.mark.parametrize("begin", ["one", "two"])
def test_sharded_and_unsharded_runs_can_resume_each_other(
    begin: str, one: RunFolder, two: RunFolder, launch: Launch, tmp_path: Path
) -> None:
    """The optimizer state is restored although strategies number its parameters differently."""
    other = {"one": two, "two": one}[begin]
    run = stopped_early({"one": one, "two": two}[begin], tmp_path / "run")
    config = run.config()
    config["trainer"] |= {name: other.config()["trainer"][name] for name in ONE}
    (run.path / "config.yaml").write_text(yaml.safe_dump(config))
    assert launch([run]) == 0, log(run)
    for name in TRAINING:
        assert column(run, name)[4:] == pytest.approx(column(one, name)[4:], rel=2e-5), name


def stopped_early(finished: RunFolder, folder: Path) -> RunFolder:
    """Copy of a run in its state at the last but one checkpoint."""
    shutil.copytree(finished.path, folder)
    run = RunFolder(folder)
    shutil.copy(run.checkpoints / "last.previous.ckpt", run.checkpoints / "last.ckpt")
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == 4
    return run


def test_interrupted_and_resumed_equals_never_stopped(
    make_language_run: MakeRun, launch: Launch, start_launch: Callable[[list[RunFolder]], WarmProcess]
) -> None:
    long = [*SHARDED, "model.dropout=0.2", "trainer.max_steps=60", "trainer.val_check_interval=25"]
    whole, run = (make_language_run(*long, f"name={name}") for name in ("whole", "interrupted"))
    assert launch([whole]) == 0, log(whole)
    process = start_launch([run])
    while not (run.metrics.exists() and len(column(run, "train/loss")) > 4):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)  # which it forwards
    process.communicate(timeout=60)
    assert process.returncode == 75, log(run)
    assert run.status()["status"] == "preempted"
    assert log(run).count("stopped by SIGTERM; its state is saved") == 2, "each rank says so"
    assert len(column(run, "train/loss")) < 60
    assert launch([run]) == 0, log(run)
    for name in (*TRAINING, "validation/loss", "test/loss"):
        assert column(run, name) == column(whole, name), name
    last, expected = (read_checkpoint(r.checkpoints / "last.ckpt") for r in (run, whole))
    assert all(weight.equal(expected["state_dict"][name]) for name, weight in last["state_dict"].items())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["callbacks=moving_average"], "callbacks.moving_average: the moving average needs a copy of the whole model"),
        (["trainer.precision=16-mixed"], "trainer.precision=16-mixed: expected 32-true, bf16-mixed"),
        (["trainer.strategy.save_distributed_checkpoint=true"], "save_distributed_checkpoint: expected false"),
        (["trainer=ddp", "trainer.strategy=fsdp"], "trainer.strategy=fsdp: use trainer=fsdp"),
    ],
)
def test_unsupported_options_with_sharding_are_refused_before_a_folder_is_created(
    overrides: list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        compose_points(["trainer=fsdp", *overrides])
