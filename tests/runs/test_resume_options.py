"""Runs with various options are resumed exactly: rows of metrics.csv and weights are equal bit for bit."""

from __future__ import annotations

import csv
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml
from warm import WarmProcess

from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.stop import STOP
from regard.training.callbacks.last_checkpoint import LastCheckpoint
from regard.training.checkpoint import read_checkpoint

MakeRun = Callable[..., RunFolder]
Launch = Callable[[list[RunFolder]], int]
StartWarm = Callable[..., WarmProcess]

STEPS, STOPPED = 12, 7
BASIC = [f"trainer.max_steps={STEPS}", "trainer.val_check_interval=6", "model.dropout=0.2"]
BASIC += ["callbacks.last.every_n_steps=100", "callbacks.attention.sentences=0", "callbacks.attention.extremes=0"]
STOPS_EARLY = ["callbacks.early_stopping.patience=2", "+callbacks.early_stopping.min_delta=1000"]
TRANSLATION = {
    "accumulation": ["trainer.accumulate_grad_batches=3", "schedule=inverse_square_root"],
    "one batch": ["trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=0.5"],
    "five batches": ["trainer.limit_train_batches=5", "trainer.accumulate_grad_batches=2", "tokenizer.joint=false"],
    "workers": ["batches.workers=2"],
    "Muon": ["optimizer=muon"],
    "sampled pieces": ["batches.sampling_alpha=0.3", "batches.workers=1", "trainer.accumulate_grad_batches=2"],
    "moving average": ["callbacks=moving_average", "trainer.accumulate_grad_batches=2"],
    "early stopping": ["callbacks=early_stopping", *STOPS_EARLY, "trainer.val_check_interval=3"],
}
LANGUAGE = {
    "isolated documents": ["batches.isolate_documents=true", "batches.tokens_per_batch=512"],  # several epochs
    "stride": ["batches.stride=5"],
    "H3": ["mixer=h3", "batches.isolate_documents=true"],
    "blocks": ["trainer.limit_train_batches=3", "trainer.limit_val_batches=1", "trainer.accumulate_grad_batches=2"],
}
VARYING = ("train/seconds", "train/tokens_per_second", "train/memory_gib")


def rows(run: RunFolder) -> list[dict[str, str]]:
    with run.metrics.open(newline="") as file:
        return [{name: row[name] for name in row if name not in VARYING} for row in csv.DictReader(file)]


def assert_alike(run: RunFolder, whole: RunFolder) -> None:
    assert rows(run) == rows(whole)
    found, expected = (read_checkpoint(each.checkpoints / "last.ckpt") for each in (run, whole))
    assert found.keys() == expected.keys()
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "random_states"):
        assert_equal(found[part], expected[part], part)
    for data in ("TranslationData", "LanguageData", "CaptioningData", "TextToImageData", "AnswerData"):
        assert found.get(data) == expected.get(data)


def assert_equal(found: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_equal(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_equal(*pair, f"{where}[{number}]")
    elif hasattr(expected, "equal"):
        assert found.equal(expected), where
    else:
        assert found == expected, where


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a SIGTERM during this step."""
    end = LastCheckpoint.on_train_batch_end

    def on_train_batch_end(self: LastCheckpoint, trainer: pl.Trainer, *arguments: Any) -> None:
        if trainer.global_step == step:
            STOP.note(signal.SIGTERM)
        end(self, trainer, *arguments)

    monkeypatch.setattr(LastCheckpoint, "on_train_batch_end", on_train_batch_end)


def copy_of(run: RunFolder) -> RunFolder:
    return RunFolder(shutil.copytree(run.path, run.path.with_name(f"{run.path.name}-parts")))


def assert_resumes_exactly(make: MakeRun, *options: str) -> RunFolder:
    accumulated = next((int(each[-1]) for each in options if each.startswith("trainer.accumulate")), 1)
    interval = f"trainer.val_check_interval={6 * accumulated}"
    return stops_and_resumes(make(*BASIC, interval, *options))


def stops_and_resumes(whole: RunFolder) -> RunFolder:
    parts = copy_of(whole)
    assert work(whole.path) == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(STOPPED, patch)
        assert work(parts.path) == 75
    assert read_checkpoint(parts.checkpoints / "last.ckpt")["global_step"] == STOPPED == len(rows(parts))
    assert work(parts.path) == 0
    assert_alike(parts, whole)
    return whole


@pytest.mark.parametrize("case", TRANSLATION)
def test_a_translator_is_resumed_exactly(make_run: MakeRun, case: str) -> None:
    whole = assert_resumes_exactly(make_run, *TRANSLATION[case])
    last = read_checkpoint(whole.checkpoints / "last.ckpt")
    assert last["global_step"] == len(rows(whole)) == (9 if case == "early stopping" else STEPS)
    assert (last["TranslationData"]["epoch"] == 0) == ("batch" in case), "all but limited batches are several epochs"


@pytest.mark.parametrize(
    "options",
    [
        ["batches.workers=1"],  # endless
        ["data.size=50", "trainer.accumulate_grad_batches=2"],
    ],
)
def test_a_model_of_answers_is_resumed_exactly(make_answers_run: MakeRun, options: list[str]) -> None:
    whole = assert_resumes_exactly(make_answers_run, *options)
    state = read_checkpoint(whole.checkpoints / "last.ckpt")["AnswerData"]
    assert (state["epoch"] == 0) == ("data.size=50" not in options)


def test_a_model_that_draws_is_resumed_exactly(make_drawing_run: MakeRun) -> None:
    # with noise, times and dropped prompts from the global random state, Muon and the moving average
    whole = stops_and_resumes(make_drawing_run(*BASIC[:3], "callbacks.last.every_n_steps=100", "batches.workers=1"))
    assert read_checkpoint(whole.checkpoints / "last.ckpt")["current_model_state"]
    assert [path.name for path in sorted((whole.path / "samples").iterdir())] == [
        "step-0000006.png", "step-0000012.png",
    ]  # fmt: skip


@pytest.mark.parametrize("case", LANGUAGE)
def test_a_language_model_is_resumed_exactly(make_language_run: MakeRun, case: str) -> None:
    assert_resumes_exactly(make_language_run, *LANGUAGE[case])


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["batches.workers=2", "trainer.limit_train_batches=3"],
        ["augmentation=standard", "batches.store_images=false", "batches.workers=1"],
    ],
)
def test_a_captioning_model_is_resumed_exactly(make_captioning_run: MakeRun, options: list[str]) -> None:
    assert_resumes_exactly(make_captioning_run, *options)


COMPILED = """
import sys
from functools import partialmethod
from pathlib import Path
from torch.nn import Module
from regard.runs.folder import RunFolder

run, tests = map(Path, sys.argv[1:])
sys.path.append(str(tests))
from test_resume_options import stops_and_resumes

Module.compile = partialmethod(Module.compile, backend="eager")
stops_and_resumes(RunFolder(run))
"""


def test_a_compiled_model_is_resumed_exactly(make_run: MakeRun, start_warm: StartWarm) -> None:
    """In a process without shape checks, and without the minutes of code generation."""
    run = make_run(*BASIC, "task.compile=true", "trainer.val_check_interval=100")
    process = start_warm("-c", COMPILED, str(run.path), str(Path(__file__).parent))
    _, errors = process.communicate()
    assert process.returncode == 0, errors


@pytest.mark.filterwarnings("default:the checkpoint was saved by:UserWarning")
def test_two_processes_are_resumed_exactly(
    make_run: MakeRun, launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With sub-word sampling, so that the processes have to sum their numbers of tokens."""
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.accumulate_grad_batches=2"]
    options = ["batches.sampling_alpha=0.3", "trainer.limit_train_batches=5", "trainer.val_check_interval=14"]
    whole = make_run(*BASIC, *two, *options, "callbacks.last.every_n_steps=7")
    assert launch([whole]) == 0, (whole.path / "log.txt").read_text()
    parts = copy_of(whole)
    shutil.copy(parts.checkpoints / "last.previous.ckpt", parts.checkpoints / "last.ckpt")
    assert read_checkpoint(parts.checkpoints / "last.ckpt")["global_step"] == STOPPED
    alone = copy_of(parts)
    assert launch([parts]) == 0
    assert_alike(parts, whole)
    config = alone.config()
    config["trainer"] |= {"devices": 1, "strategy": "auto", "max_steps": STOPPED + 1}
    (alone.path / "config.yaml").write_text(yaml.safe_dump(config))
    assert work(alone.path) == 0
    assert "saved by 2 processes and is resumed by 1: no batch is lost, but" in capsys.readouterr().err
