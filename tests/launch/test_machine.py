"""What launchers require of this machine, and runs whose process ended before it started them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.launch.jobs import list_runs
from regard.runs.folder import RunFolder

Regard = Callable[..., Any]


@pytest.mark.parametrize(
    ("overrides", "visible", "words"),
    [
        (["trainer=gpu"], "", "trainer.accelerator=gpu: this machine has no GPU; use trainer=default"),
        (["trainer=ddp", "trainer.devices=4"], "", "trainer.accelerator=gpu: this machine has no GPU"),
        (["trainer=ddp", "trainer.devices=4"], "0,1", "trainer.devices=4: this machine has 2 GPUs; set 2 or fewer"),
    ],
)
def test_missing_gpus_are_reported_before_a_folder_is_created(
    arguments: list[str],
    regard: Regard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    overrides: list[str],
    visible: str,
    words: str,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = regard("train", *arguments, *overrides, f"paths.runs={tmp_path / 'runs'}")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert words in found.err
    assert not (tmp_path / "runs").exists()


def test_missing_gpus_are_reported_before_a_run_is_changed(
    make_run: Callable[..., RunFolder], regard: Regard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    run = make_run("trainer=gpu", f"paths.runs={tmp_path}")
    run.set_status("preempted")
    found = regard("resume", run.path, "trainer.devices=2")
    assert (found.code, found.err) == (2, "regard: trainer.devices=2: this machine has 1 GPU; set 1 or fewer\n")
    assert run.status()["status"] == "preempted"
    assert run.config()["trainer"]["devices"] == 1


def test_a_misspelled_override_of_a_finished_run_is_refused(finished: RunFolder, regard: Regard) -> None:
    found = regard("resume", finished.path, "trainer.max_step=9")
    assert found.code == 2
    assert "did you mean trainer.max_steps?" in found.err


def test_a_run_whose_process_was_killed_before_it_started_is_lost(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_run(f"paths.runs={tmp_path}")
    assert [info.state for info in list_runs([tmp_path]).infos] == ["submitted"]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run.set_status("submitted", pid=ended.pid)
    found = list_runs([tmp_path])
    assert [info.state for info in found.infos] == ["lost"]
    assert found.ended
