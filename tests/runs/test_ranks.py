"""Two processes are equivalent to one process with twice the accumulation."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from warm import WarmProcess

from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import read_checkpoint

MakeRun = Callable[..., RunFolder]
Launch = Callable[[list[RunFolder]], int]
StartWarm = Callable[..., WarmProcess]

EXACT = ["model.dropout=0.0", "trainer.max_steps=8", "trainer.val_check_interval=8"]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", *EXACT, "trainer.log_every_n_steps=1"]


def column(run: RunFolder, name: str) -> list[float]:
    with run.metrics.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


@pytest.mark.parametrize(
    ("make", "options", "scores"),
    [
        ("make_run", ["batches.sampling_alpha=0.3", "trainer.limit_val_batches=2"], ["validation/bleu", "test/bleu"]),
        ("make_run", ["optimizer=muon"], ["validation/bleu", "test/bleu", "test/exact"]),
        ("make_language_run", [], ["validation/bits_per_byte", "test/bits_per_byte"]),
        ("make_captioning_run", ["mixer=h3"], ["test/bleu", "test/exact", "test/exact_pairs", "test/number"]),
    ],
    ids=["sampled pieces, and a sample", "translation with Muon", "language", "captioning with H3"],
)
def test_same_losses_as_one_process_with_the_same_global_batch(
    make: str, options: list[str], scores: list[str], request: pytest.FixtureRequest, launch: Launch
) -> None:
    make_run: MakeRun = request.getfixturevalue(make)
    one = make_run(*EXACT, *options, "trainer.accumulate_grad_batches=2", "trainer.val_check_interval=16", "name=one")
    assert work(one.path) == 0
    two = make_run(*TWO, *options, "name=two")
    assert launch([two]) == 0
    assert len(column(two, "train/loss")) == 8, "rank 0 alone writes"
    for name in ("train/loss", "train/gradient_norm", "validation/loss", "test/loss"):
        assert column(two, name) == pytest.approx(column(one, name), rel=2e-5), name
    for name in (*scores, "validation/accuracy"):
        assert column(two, name) == pytest.approx(column(one, name), abs=1e-4), name


def test_ranks_stop_together(make_run: MakeRun, start: Callable[..., subprocess.Popen[str]]) -> None:
    long = ["trainer.max_steps=5000", "trainer.val_check_interval=5000", "model.dropout=0.1"]
    run = make_run(*TWO, *long, "name=stopped")
    run.set_status("preempted")  # so that this process does not count as its submitter
    process = start("regard.cli", "resume", str(run.path))
    deadline = time.monotonic() + 120
    while not (run.metrics.exists() and run.metrics.read_text().count("\n") > 5):
        assert time.monotonic() < deadline, "training did not begin"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert run.status()["status"] == "preempted"
    one, two = read_checkpoint(run.checkpoints / "last.ckpt")["random_states"]
    assert not one["torch"].equal(two["torch"]), "the ranks draw different dropout masks"


def test_a_time_limit_signal_to_any_rank_stops_all_and_requeues_the_job(
    make_run: MakeRun, start_warm: StartWarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 writes the file that requeues the job, whichever rank received the signal."""
    monkeypatch.setenv("REGARD_REQUEUE", str(tmp_path / "requeue"))
    long = ["trainer.max_steps=5000", "trainer.val_check_interval=5000", "model.dropout=0.1"]
    run = make_run(*TWO, *long, "name=one_signalled")
    run.set_status("preempted")  # so that this process does not count as its submitter
    process = start_warm("-m", "regard.cli", "resume", str(run.path))
    deadline = time.monotonic() + 120
    while not (run.metrics.exists() and run.metrics.read_text().count("\n") > 5):
        assert time.monotonic() < deadline, "training did not begin"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    torchrun = Path(f"/proc/{run.status()['pid']}/stat").read_text().rpartition(") ")[2].split()[1]
    ranks = Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split()
    (other,) = {int(pid) for pid in ranks} - {run.status()["pid"]}
    os.kill(other, signal.SIGUSR1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert run.status()["status"] == "preempted"
    assert "stopped by SIGUSR1" in run.status()["why"]
    one, two = read_checkpoint(run.checkpoints / "last.ckpt")["random_states"]
    assert not one["torch"].equal(two["torch"]), "the ranks draw different dropout masks"
    assert (tmp_path / "requeue").exists()


def test_rank_that_waits_for_a_dead_rank_exits(
    make_run: MakeRun, start_warm: StartWarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in C code, where Python does not handle signals."""
    run = make_run(*TWO, "name=waiting")
    torchrun = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "none"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        torchrun["MASTER_PORT"] = str(free.getsockname()[1])
    with monkeypatch.context() as alone:
        for name, value in (torchrun | {"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}).items():
            alone.setenv(name, value)
        process = start_warm("-m", "regard.runs", str(run.path))
    deadline = time.monotonic() + 120
    while "Initializing distributed" not in process.errors:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.errors
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "stopped by SIGTERM; resume with" in errors
    assert run.status()["status"] == "preempted"
