"""What reaches Weights & Biases, read back from the files that it keeps offline."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from wandb.proto.wandb_internal_pb2 import Record

from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.metrics_file import read_rows
from regard.training.task import Task

BLOCK = 32 * 1024
SPLITS = ("train", "validation", "test")


def records(path: Path) -> Iterator[Record]:
    """The records of a .wandb file: LevelDB's log format after a header of seven bytes."""
    content, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        left = BLOCK - position % BLOCK
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def key_of(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


def test_config_metrics_samples_and_images_are_in_one_offline_run(make_run: Callable[..., RunFolder]) -> None:
    run = make_run("logger=wandb", "logger.mode=offline", "name=watched")
    assert work(run.path) == 0
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert folder.name.endswith((run.path / "wandb/run-id").read_text().strip())
    (file,) = folder.glob("*.wandb")
    found = list(records(file))

    stored = [item for r in found if r.HasField("run") for item in r.run.config.update]
    stored += [item for r in found if r.HasField("config") for item in r.config.update]
    config = {key_of(item): json.loads(item.value_json) for item in stored}
    assert config["batches"]["tokens_per_batch"] == 128
    assert config["batches"]["max_length"] == 256, "interpolations are resolved"

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
    tables = [row["samples/path"] for row in rows if "samples/path" in row]
    table = json.loads((folder / "files" / tables[-1]).read_text())
    assert table["columns"] == ["source", "reference", "output"]
    assert len(table["data"]) == 10


def test_nothing_is_written_outside_the_run_folder(
    make_run: Callable[..., RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    run = make_run("logger=wandb", "logger.mode=offline", "trainer=debug", "name=tidy")
    assert work(run.path) == 0
    assert list(tmp_path.iterdir()) == []


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


def test_a_run_that_was_stopped_is_one_run_there_and_logs_nothing_twice(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("logger=wandb", "logger.mode=offline", "callbacks.last.every_n_steps=100", "name=stopped")
    step = Task.training_step
    with monkeypatch.context() as patched:

        def training_step(self: Task, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:
            if batch_idx == 5:
                raise ZeroDivisionError("a bug")
            return step(self, batch, batch_idx)

        patched.setattr(Task, "training_step", training_step)
        assert work(run.path) == 1
    assert work(run.path) == 0
    folders = sorted((run.path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert {folder.name.rpartition("-")[2] for folder in folders} == {(run.path / "wandb/run-id").read_text().strip()}
    logged = [
        (json.loads(value), key_of(item))
        for folder in folders
        for record in records(next(folder.glob("*.wandb")))
        if record.HasField("history")
        for value in [next(i.value_json for i in record.history.item if key_of(i) == "trainer/global_step")]
        for item in record.history.item
        if key_of(item).startswith(("train/", "validation/", "test/"))
    ]
    assert len(logged) == len(set(logged))
    rows = read_rows(run.metrics)
    expected = [(int(row["step"]), name) for row in rows for name in row if name.split("/")[0] in SPLITS]
    assert sorted(logged) == sorted(expected)
