"""A resumed run equals an uninterrupted run."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from warm import WarmProcess

from regard.errors import UsageError
from regard.launch.resume import prepare_resume
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.callbacks.metrics_file import read_rows
from regard.training.checkpoint import read_checkpoint

pytestmark = pytest.mark.xdist_group("resume")  # they share a run

MakeRun = Callable[..., RunFolder]
StartWarm = Callable[..., WarmProcess]

LONG = ["trainer.max_steps=40", "trainer.val_check_interval=12", "callbacks.last.every_n_steps=5", "model.dropout=0.2"]
LONG += ["batches.evaluation_tokens_per_batch=64", "callbacks.attention.extremes=0"]  # several batches
MEASURED = ("train/loss", "train/gradient_norm", "train/learning_rate", "validation/loss")
MEASURED += ("validation/bleu", "train/tokens")


def measured(run: RunFolder, names: tuple[str, ...] = MEASURED) -> list[tuple[str, ...]]:
    """Return the values of each step that must be bitwise equal."""
    with run.metrics.open(newline="") as file:
        return [(row["step"], *(row[name] for name in names)) for row in csv.DictReader(file)]


def wait_for_step(run: RunFolder, step: int, process: WarmProcess) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if run.metrics.exists() and run.metrics.read_text().count("\n") > step:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {process.communicate(timeout=5)}")


@pytest.fixture(scope="module")
def uninterrupted(make_run: MakeRun) -> RunFolder:
    run = make_run(*LONG, "name=uninterrupted")
    assert work(run.path) == 0
    return run


@pytest.mark.parametrize("step", [8, 23])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    make_run: MakeRun, start_warm: StartWarm, uninterrupted: RunFolder, step: int
) -> None:
    run = make_run(*LONG, "name=killed")
    process = start_warm("-m", "regard.runs", str(run.path))
    wait_for_step(run, step, process)
    process.kill()
    process.communicate()
    assert run.status()["status"] == "lost", "SIGKILL leaves no time to record a status"
    reached = len(read_rows(run.metrics))
    assert reached < 40
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)
    assert run.status()["attempt"] == 2
    weights, others = (read_checkpoint(r.checkpoints / "last.ckpt")["state_dict"] for r in (run, uninterrupted))
    assert all(weights[name].equal(others[name]) for name in weights)


def stopped_early(uninterrupted: RunFolder, folder: Path) -> RunFolder:
    """Return a copy of the uninterrupted run whose last checkpoint is the second to last one."""
    shutil.copytree(uninterrupted.path, folder)
    run = RunFolder(folder)
    shutil.copy(run.checkpoints / "last.previous.ckpt", run.checkpoints / "last.ckpt")
    return run


@pytest.mark.filterwarnings("default:.*trying the previous checkpoint:UserWarning")
def test_the_previous_checkpoint_is_used_if_the_last_is_truncated(
    uninterrupted: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped_early(uninterrupted, tmp_path / "run")
    last = run.checkpoints / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    assert work(run.path) == 0
    assert "last.ckpt" in capsys.readouterr().err
    assert measured(run) == measured(uninterrupted)


def test_a_moved_run_can_be_resumed_and_keeps_its_best_score(uninterrupted: RunFolder, tmp_path: Path) -> None:
    run = stopped_early(uninterrupted, tmp_path / "elsewhere")
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)
    after, before = (best_state(r) for r in (run, uninterrupted))
    assert Path(after["best_model_path"]).parent == run.checkpoints
    assert after["best_model_score"] == before["best_model_score"]


def test_counts_that_an_older_checkpoint_lacks_are_left_empty(uninterrupted: RunFolder, tmp_path: Path) -> None:
    run = stopped_early(uninterrupted, tmp_path / "older")
    last = run.checkpoints / "last.ckpt"
    content = torch.load(last, weights_only=True)
    del content["callbacks"]["Journal"]
    torch.save(content, last)
    assert work(run.path) == 0
    assert measured(run, MEASURED[:5]) == measured(uninterrupted, MEASURED[:5])
    counted = [int(row["step"]) for row in read_rows(run.metrics) if "train/tokens" in row]
    assert counted == list(range(1, content["global_step"] + 1))


def best_state(run: RunFolder) -> dict[str, Any]:
    states = read_checkpoint(run.checkpoints / "last.ckpt")["callbacks"]
    (state,) = [state for name, state in states.items() if "BestCheckpoint" in name]
    return state


def test_a_finished_run_can_be_resumed_with_more_steps(uninterrupted: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(uninterrupted.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    prepare_resume([run], ["trainer.max_steps=44"])
    assert run.config()["schedule"]["total_steps"] == 44
    assert work(run.path) == 0
    assert [step for step, *_ in measured(run)] == [str(step) for step in range(1, 45)]
    assert measured(run)[:39] == measured(uninterrupted)[:39]


def test_a_run_of_regard_0_2_resumes_exactly(uninterrupted: RunFolder, tmp_path: Path) -> None:
    """Until 0.2, task repeated optimizer and schedule, and training used its copies; two classes had other names."""
    run = stopped_early(uninterrupted, tmp_path / "run")
    config = run.config()
    used = {name: config[name] for name in ("optimizer", "schedule")}
    config["task"] |= used
    config |= {"regard": "0.2.0", "optimizer": used["optimizer"] | {"lr": 99.0}}
    text = yaml.safe_dump(config, sort_keys=False).replace("positions.NoPositions", "positions.Unmarked")
    assert "positions.Unmarked" in text
    (run.path / "config.yaml").write_text(text)
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)


def test_a_run_of_regard_0_3_resumes_exactly(uninterrupted: RunFolder, tmp_path: Path) -> None:
    """Until 0.3, label smoothing was an argument of task, which had no objective, and encoders had other names."""
    run = stopped_early(uninterrupted, tmp_path / "run")
    config = run.config()
    config["task"]["label_smoothing"] = config["task"].pop("objective")["label_smoothing"]
    text = yaml.safe_dump(config, sort_keys=False).replace("model.encoders.text.", "model.encoder.")
    assert "model.encoder.TextEncoder" in text
    (run.path / "config.yaml").write_text(text)
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)


def test_a_language_model_resumes_exactly(make_language_run: MakeRun, tmp_path: Path) -> None:
    several_epochs = ["batches.tokens_per_batch=256"]
    stop = ["trainer.val_check_interval=30", "callbacks.last.every_n_steps=16"]
    whole = make_language_run(*LONG, *several_epochs, *stop, "name=whole")
    assert work(whole.path) == 0
    run = stopped_early(whole, tmp_path / "run")
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == 32
    assert work(run.path) == 0
    names = (*MEASURED[:4], "validation/bits_per_byte")
    assert len(measured(run, names)) == 40
    assert measured(run, names) == measured(whole, names)
    assert (run.path / "samples.jsonl").read_bytes() == (whole.path / "samples.jsonl").read_bytes()
    last, expected = (read_checkpoint(r.checkpoints / "last.ckpt") for r in (run, whole))
    assert last["LanguageData"] == expected["LanguageData"]
    assert last["LanguageData"]["epoch"] > 2
    assert all(weight.equal(expected["state_dict"][name]) for name, weight in last["state_dict"].items())


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.lr=1", "only trainer.max_steps"),
        ("trainer.max_stesp=3", "did you mean"),
        ("trainer.max_steps=x", "expected an integer"),
    ],
)
def test_other_keys_cannot_change_on_resume(finished: RunFolder, override: str, words: str) -> None:
    before = (finished.path / "config.yaml").read_text()
    with pytest.raises(UsageError, match=words):
        prepare_resume([finished], [override])
    assert (finished.path / "config.yaml").read_text() == before


@pytest.mark.parametrize("moment", ["before it is marked", "after it is marked"])
def test_a_concurrent_resume_fails_before_it_changes_anything(make_run: MakeRun, moment: str) -> None:
    run = make_run("name=resumed_twice")
    before = (run.path / "config.yaml").read_text()
    run.set_status("preempted")
    if moment == "after it is marked":
        run.set_status("submitted", pid=os.getppid())
    with run.locked_while_idle() if moment == "before it is marked" else nullcontext(), pytest.raises(UsageError):
        prepare_resume([run], ["trainer.max_steps=70"])
    assert (run.path / "config.yaml").read_text() == before


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (signal.SIGINT, "cancelled", 1),
        (signal.SIGTERM, "preempted", 75),
        (signal.SIGUSR1, "preempted", 75),
        (signal.SIGHUP, "preempted", 75),
    ],
)
def test_a_signal_saves_a_checkpoint_and_sets_the_status(
    make_run: MakeRun, start_warm: StartWarm, uninterrupted: RunFolder, number: signal.Signals, status: str, code: int
) -> None:
    run = make_run(*LONG, "name=signalled")
    process = start_warm("-m", "regard.runs", str(run.path))
    wait_for_step(run, 11, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"regard resume {run.path}" in errors
    assert run.status()["status"] == status
    reached = len(read_rows(run.metrics))
    assert read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == reached
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)


# Script of a child process that receives a signal at the second batch of the third validation.
IN_VALIDATION = """
import os, sys
from pathlib import Path
from regard.runs.work import work
from regard.training.task import Task

seen, validate = [], Task.validation_step

def validation_step(self, batch, batch_idx):
    validate(self, batch, batch_idx)
    seen.append((self.trainer.global_step, batch_idx))
    if len({step for step, _ in seen}) == 3 and batch_idx == 1:
        os.kill(os.getpid(), int(sys.argv[2]))

Task.validation_step = validation_step
sys.exit(work(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_an_interrupted_validation_is_repeated(
    make_run: MakeRun, start_warm: StartWarm, uninterrupted: RunFolder, number: signal.Signals, code: int
) -> None:
    run = make_run(*LONG, "name=validating")
    process = start_warm("-c", IN_VALIDATION, str(run.path), str(int(number)))
    _, errors = process.communicate()
    assert process.returncode == code, errors
    assert len(measured(run)) == read_checkpoint(run.checkpoints / "last.ckpt")["global_step"] == 36, "nothing is lost"
    assert "validation/loss" not in read_rows(run.metrics)[-1]
    assert work(run.path) == 0
    assert measured(run) == measured(uninterrupted)


def test_checkpoints_are_also_written_after_a_time(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    rare = ["trainer.max_steps=12", "trainer.val_check_interval=100", "callbacks.last.every_n_steps=100"]
    saved: list[int] = []
    save = pl.Trainer.save_checkpoint

    def save_checkpoint(self: pl.Trainer, path: Path, *arguments: Any, **options: Any) -> None:
        saved.append(self.global_step)
        save(self, path, *arguments, **options)
        time.sleep(0.2)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", save_checkpoint)
    without = make_run(*rare, "callbacks.best.monitor=step", "callbacks.last.every_minutes=null", "name=rare")
    assert work(without.path) == 0
    assert set(saved) == {12}
    saved.clear()
    run = make_run(*rare, "callbacks.last.every_minutes=1e-9", "name=often")
    assert work(run.path) == 0
    assert set(range(1, 12)) <= set(saved)


def test_resuming_a_finished_run_only_prints_a_message(finished: RunFolder, regard: Callable[..., Any]) -> None:
    before = {name: (finished.path / name).read_bytes() for name in ("status.json", "summary.json", "metrics.csv")}
    result = regard("resume", finished.path)
    assert result.code == 0
    assert result.out == f"{finished.path}: already finished; to train longer, set trainer.max_steps=...\n"
    assert {name: (finished.path / name).read_bytes() for name in before} == before
