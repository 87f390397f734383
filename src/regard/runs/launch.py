"""Starting the work of run folders on this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

from regard.runs.check import device_count
from regard.runs.folder import RunFolder
from regard.runs.outcome import PREEMPTED


def launch(run: RunFolder) -> int:
    """Do the work of ``run`` and wait for it; its exit code.

    One device: in this process. Several: a fresh process for each, started by torchrun.
    """
    if device_count(run.config()["trainer"]) > 1:
        _wait(command(run))
        # torchrun's own exit code does not tell a run that can go on from one that cannot.
        return {"finished": 0, "preempted": PREEMPTED}.get(run.status()["status"], 1)
    from regard.runs.work import work

    return work(run.path)


def launch_sweep(runs: Sequence[RunFolder]) -> int:
    """Do the work of each run, one after the other, each in a process of its own; 1 if any is not finished.

    A run that fails is a row that says so, and the others go on. Ctrl-C ends the sweep.
    """
    for number, run in enumerate(runs):
        print(f"{number + 1}/{len(runs)}\t{run.path}", file=sys.stderr, flush=True)
        if _wait(command(run)) < 0 or run.status()["status"] == "cancelled":
            break
    for run in runs:
        print(f"{run.path}\t{run.status()['status']}")
    return int(any(run.status()["status"] != "finished" for run in runs))


def command(run: RunFolder) -> list[str]:
    """The command that does the work of ``run`` in a process of its own, or in one for each device."""
    count, work = device_count(run.config()["trainer"]), ["-m", "regard.runs", str(run.path)]
    if count == 1:
        return [sys.executable, *work]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", *work]


def _wait(command: list[str]) -> int:
    """Run ``command``, which deals with Ctrl-C itself and is told when this process shall stop; its exit code."""
    process = subprocess.Popen(command)
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),  # the terminal sends it to both
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number)),
    }
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
