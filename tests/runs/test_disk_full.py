"""Training on a full disk: a real file system of two megabytes."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from warm import WarmProcess

    from regard.runs.folder import RunFolder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> None:
    """Fill the disk."""
    with (disk / "rubbish").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0


@pytest.mark.parametrize("saves_first", [True, False], ids=["checkpoint", "metrics"])
def test_full_disk_is_reported_and_previous_checkpoint_is_intact(
    make_run: Callable[..., RunFolder], start_warm: Callable[..., WarmProcess], small_disk: Path, saves_first: bool
) -> None:
    """The first write that fails is a checkpoint or a row of metrics.csv."""
    from regard.training.checkpoint import read_checkpoint

    often = "5" if saves_first else "500"
    long = ["trainer.max_steps=20000", "trainer.val_check_interval=20000", f"callbacks.last.every_n_steps={often}"]
    log = "100000" if saves_first else "1"
    run = make_run(*long, f"trainer.log_every_n_steps={log}", f"paths.runs={small_disk}", "name=full")
    process = start_warm("-m", "regard.runs", str(run.path))
    deadline = time.monotonic() + 120
    last = run.checkpoints / "last.ckpt"
    while not last.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    fill(small_disk)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    said = [line for line in errors.splitlines() if line.startswith("regard:")]
    assert len(said) == 1
    assert "no space left on the disk of" in said[0]
    assert f"regard resume {run.path}" in said[0]
    assert "Traceback" not in errors
    steps = [path.name for path in run.checkpoints.iterdir() if path.name.endswith(".part")]
    assert steps == [], "nothing half-written is left"
    before = read_checkpoint(last if last.exists() else run.checkpoints / "last.previous.ckpt")["global_step"]

    assert run.status()["status"] in ("failed", "lost"), "if there was room for a word, it says why"
    (small_disk / "rubbish").unlink()
    again = start_warm("-m", "regard.cli", "resume", str(run.path), "trainer.max_steps=" + str(before + 5))
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert run.status()["status"] == "finished"
