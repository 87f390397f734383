"""What reaches Weights & Biases, read back from the files that it keeps offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from warm import WarmProcess

from regard.launch.resume import prepare_resume
from regard.observe.wandb import logger as wandb_logger
from regard.observe.wandb.offline_file import history, records
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.callbacks.metrics_file import read_rows
from regard.training.task import Task

SPLITS = ("train", "validation", "test")


def key_of(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


@pytest.fixture
def copied(watched: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of a run that has been logged."""
    return RunFolder(shutil.copytree(watched.path, tmp_path / "run"))


def test_config_metrics_samples_and_images_are_in_one_offline_run(watched: RunFolder) -> None:
    run = watched
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert folder.name.endswith((run.path / "wandb/run-id").read_text().strip())
    (file,) = folder.glob("*.wandb")
    found = list(records(file))

    begun = next(record.run for record in found if record.HasField("run"))
    assert begun.run_group == "watched"
    assert begun.job_type == "translation"
    assert "name=watched" in begun.tags
    assert all(len(tag) <= 64 for tag in begun.tags)
    told = {key_of(item): item.value_json for r in found if r.HasField("summary") for item in r.summary.update}
    assert told["attempt"] == "1"
    summary = json.loads((run.path / "summary.json").read_text())
    assert json.loads(told["test_bleu"]) == summary["metrics"]["test/bleu"]
    assert json.loads(told["best_validation_loss"]) == summary["best"]["value"]
    assert json.loads(told["parameters"]) == summary["parameters"]

    stored = [item for r in found if r.HasField("run") for item in r.run.config.update]
    stored += [item for r in found if r.HasField("config") for item in r.config.update]
    config = {key_of(item): json.loads(item.value_json) for item in stored}
    assert config["batches"]["tokens_per_batch"] == 128
    assert config["batches"]["max_length"] == 32, "interpolations are resolved"

    rows = [{key_of(i): json.loads(i.value_json) for i in r.history.item} for r in found if r.HasField("history")]
    losses = {row["trainer/global_step"]: row["train/loss"] for row in rows if "train/loss" in row}
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    for name in ("validation/bleu", "attention/decoder.0.cross/entropy/1", "test/chrf"):
        assert any(name in row for row in rows), name
    images = [
        row["attention/decoder.0.cross/filenames"] for row in rows if "attention/decoder.0.cross/filenames" in row
    ]
    assert len(images) == 2, "one grid a validation"
    assert (folder / "files" / images[-1][0]).read_bytes().startswith(b"\x89PNG")
    page = [row["attention/page/path"] for row in rows if "attention/page/path" in row][-1]
    assert "<!doctype html>" in (folder / "files" / page).read_text()
    path = [row["attention/sentences/path"] for row in rows if "attention/sentences/path" in row][-1]
    looked = json.loads((folder / "files" / path).read_text())
    assert looked["columns"] == ["why", "source", "reference", "hypothesis", "sentence_bleu", "map"]
    first, worst, best = looked["data"]
    assert [first[0], worst[0][:6], best[0][:5]] == ["first", "worst,", "best,"]
    assert worst[4] <= best[4]
    staged = [path.read_bytes() for path in (run.path / "wandb/artifacts/staging").iterdir()]
    assert any(b'"sentence_bleu"' in content and b'"image-file"' in content for content in staged)
    assert sum(content.startswith(b"\x89PNG") for content in staged) == 6, "a map of each of three sentences, twice"
    whole = subprocess.run(
        [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--summary", file],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "best_validation_loss" in whole.stdout
    assert "/entropy/" not in whole.stdout, "the heads' histories would fill the table of runs"
    tables = [row["samples/path"] for row in rows if "samples/path" in row]
    table = json.loads((folder / "files" / tables[-1]).read_text())
    assert table["columns"] == ["source", "reference", "output"]
    assert len(table["data"]) == 10


def test_nothing_is_written_outside_the_run_folder(watched: RunFolder) -> None:
    assert list(watched.path.with_name("home").iterdir()) == []


@pytest.mark.filterwarnings("default:W&B cannot be reached:UserWarning")
def test_a_run_that_cannot_reach_wandb_is_kept_offline(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    run = make_run("logger=wandb", "logger.mode=online", "logger.init_timeout_seconds=3", "name=unreachable")
    assert work(run.path) == 0
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    assert any(record.HasField("history") for record in records(file))
    assert "W&B cannot be reached" in (run.path / "log.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("was", ["offline", "online"])
def test_a_run_that_was_stopped_is_one_run_there_and_logs_nothing_twice(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, was: str
) -> None:
    run = make_run("logger=wandb", "logger.mode=offline", "callbacks.last.every_n_steps=100", f"name=stopped_{was}")
    step = Task.training_step
    with monkeypatch.context() as patched:

        def training_step(self: Task, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:
            if batch_idx == 5:
                raise ZeroDivisionError("a bug")
            return step(self, batch, batch_idx)

        patched.setattr(Task, "training_step", training_step)
        assert work(run.path) == 1
    (first,) = (run.path / "wandb").glob("offline-run-*")
    if was == "online":  # what W&B calls the folder of an attempt that reached its server
        first.rename(first.with_name(first.name.removeprefix("offline-")))
    assert work(run.path) == 0
    wandb.teardown()  # W&B's other process may still be writing the file
    folders = sorted((run.path / "wandb").glob("*run-*-*"))
    assert len(folders) == 2
    assert {folder.name.rpartition("-")[2] for folder in folders} == {(run.path / "wandb/run-id").read_text().strip()}
    logged = [
        (row["trainer/global_step"], name)
        for folder in folders
        for row in history(next(folder.glob("*.wandb")))
        for name in row
        if name.split("/")[0] in SPLITS
    ]
    assert len(logged) == len(set(logged))
    rows = read_rows(run.metrics)
    expected = [(int(row["step"]), name) for row in rows for name in row if name.split("/")[0] in SPLITS]
    assert sorted(logged) == sorted(expected)


def test_what_is_still_to_come_at_the_last_step_that_wandb_has_is_new_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online it tells the last step alone; a validation that was cut short there is made up for by the next attempt."""
    monkeypatch.setattr(wandb_logger, "logged_metrics", lambda run: (8, {}))
    options = {"dir": str(tmp_path), "id": "abc", "mode": "offline", "settings": wandb.Settings(silent=True)}
    rows = [{"step": str(step), "train/loss": "1.5"} for step in range(1, 9)]
    logger = wandb_logger.ResumableWandbLogger(options, attempt=2, rows=lambda: rows)
    logger.log_metrics({"validation/loss": 2.5}, 8)
    logger.log_metrics({"train/loss": 1.25}, 9)
    logger.finish(None)
    wandb.teardown()  # W&B's other process may still be writing the file
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    logged = [(row["trainer/global_step"], name) for row in history(file) for name in row if "/loss" in name]
    assert logged == [(8, "validation/loss"), (9, "train/loss")]


def test_a_damaged_file_of_wandbs_is_read_as_far_as_it_is_whole_and_fails_no_run(copied: RunFolder) -> None:
    run = copied
    (file,) = (run.path / "wandb").glob("offline-run-*/*.wandb")
    whole = file.read_bytes()
    before = len(list(records(file)))
    # A record whose bytes never reached the disk, though its header did.
    half = len(whole) // 2
    file.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
    assert 0 < len(list(records(file))) < before
    prepare_resume([run], ["trainer.max_steps=8"])
    assert work(run.path) == 0
    assert run.status()["status"] == "finished"
    assert len([*(run.path / "wandb").glob("offline-run-*")]) == 2


@pytest.mark.filterwarnings("default:W&B cannot start:UserWarning")
def test_a_run_does_not_fail_because_what_wandb_has_cannot_be_told(
    copied: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Any:
        raise ZeroDivisionError("whatever it is")

    run = copied
    monkeypatch.setattr(wandb_logger, "history", broken)
    prepare_resume([run], ["trainer.max_steps=8"])
    assert work(run.path) == 0
    assert run.status()["status"] == "finished"
    assert "W&B cannot start" in (run.path / "log.txt").read_text(encoding="utf-8")


# What a child does: after the fifth step W&B's process is sent a signal, as a cluster does, and later the child itself.
W_AND_B_DIES = """
import os, signal, subprocess, sys
from pathlib import Path
from regard.runs.work import work
from regard.training.task import Task

step = Task.training_step

def training_step(self, batch, batch_idx):
    if batch_idx == 4:
        found = subprocess.run(["pgrep", "-f", f"wandb-core.*--pid {os.getpid()}"], capture_output=True, text=True)
        os.kill(int(found.stdout.split()[0]), signal.SIGTERM)
    if batch_idx == 5 and sys.argv[2] == "preempted":
        os.kill(os.getpid(), signal.SIGTERM)
    return step(self, batch, batch_idx)

Task.training_step = training_step
sys.exit(work(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(("end", "code"), [("finished", 0), ("preempted", 75)])
def test_what_the_death_of_its_process_has_cost_wandb_is_made_up_for(
    make_run: Callable[..., RunFolder],
    start_warm: Callable[..., WarmProcess],
    monkeypatch: pytest.MonkeyPatch,
    end: str,
    code: int,
) -> None:
    long = ["trainer.max_steps=12", "trainer.val_check_interval=4"]
    run = make_run("logger=wandb", "logger.mode=offline", *long, f"name=bereft_{end}")
    with monkeypatch.context() as alone:
        alone.delenv("WANDB_SERVICE", raising=False)  # not with the tests' own
        process = start_warm("-c", W_AND_B_DIES, str(run.path), end)
    _, errors = process.communicate()
    assert process.returncode == code, errors
    assert "W&B failed" in errors
    assert "Traceback" not in errors
    if end == "preempted":
        assert run.status()["status"] == "preempted"
        assert work(run.path) == 0
    logged = [
        (int(row["trainer/global_step"]), name)
        for path in sorted((run.path / "wandb").glob("offline-run-*/*.wandb"))
        for row in history(path)
        for name in row
        if name.split("/")[0] in SPLITS
    ]
    rows = read_rows(run.metrics)
    assert sorted(logged) == sorted(
        (int(row["step"]), name) for row in rows for name in row if name.split("/")[0] in SPLITS
    )
