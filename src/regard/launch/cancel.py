"""Ending runs that work, or are to."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from regard.launch import slurm
from regard.runs.folder import RunFolder
from regard.runs.status.outcome import resume_hint

BY_HAND = "cancelled"


def cancel_search(folder: Path) -> None:
    """Let the workers of the search in ``folder`` begin no more trials; those that are SLURM jobs are ended."""
    search = RunFolder(folder)
    search.cancel(BY_HAND)
    if (job := search.job()) and slurm.tasks(job, slurm.queue()):
        slurm.cancel([job])


def cancel(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """End ``runs``, those that are not over; which they were.

    Each is left word first, so that whatever hears of its end knows that it shall not go on. One that works saves its
    state. One that works on another machine, outside of SLURM, finds the word by itself, within seconds.

    Raises RegardError, before any is ended, if they are jobs and SLURM does not answer.
    """
    jobs = slurm.queue_of(runs)
    ended, waiting = [], []
    for run in runs:
        status = run.status()
        if status["status"] in ("finished", "failed") or (status["status"] == "cancelled" and run.job() not in jobs):
            continue  # even if its job still is in the queue, as COMPLETING: who goes on with a run makes it submitted
        run.cancel(BY_HAND)
        ended.append(run)
        if (job := run.job()) in jobs and job is not None:
            waiting.append(job)
        elif status["status"] == "running" and status["host"] == socket.gethostname() and "pid" in status:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(status["pid"], signal.SIGTERM)
        if status["status"] != "running":
            run.set_status("cancelled", why=f"{BY_HAND}; {resume_hint(run)}")
    slurm.cancel(waiting)
    return ended
