"""Cancel runs and searches."""

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

REASON = "cancelled"


def cancel_search(folder: Path) -> None:
    """Stop the search in ``folder``: its workers start no more trials, and its SLURM jobs are cancelled."""
    search = RunFolder(folder)
    search.cancel(REASON)
    if (job := search.job()) and slurm.tasks(job, slurm.queue()):
        slurm.cancel([job])


def cancel(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Cancel those of ``runs`` that have not ended, and return them.

    The request is first recorded in the run folder, so that no process restarts the run. A running process saves its
    state. A process on another machine outside SLURM polls the folder and stops within seconds.

    Raises RegardError, before any run is cancelled, if some of them are jobs and SLURM does not respond.
    """
    jobs = slurm.queue_of(runs)
    cancelled, queued = [], []
    for run in runs:
        status = run.status()
        if status["status"] in ("finished", "failed") or (status["status"] == "cancelled" and run.job() not in jobs):
            continue  # its job may still be COMPLETING; a run that is resumed has the status submitted
        run.cancel(REASON)
        cancelled.append(run)
        if (job := run.job()) in jobs and job is not None:
            queued.append(job)
        elif status["status"] == "running" and status["host"] == socket.gethostname() and "pid" in status:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(status["pid"], signal.SIGTERM)
        if status["status"] != "running":
            run.set_status("cancelled", why=f"{REASON}; {resume_hint(run)}")
    slurm.cancel(queued)
    return cancelled
