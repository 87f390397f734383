"""The SLURM commands sbatch, squeue, scancel and scontrol."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from regard.errors import RegardError
from regard.runs.folder import RunFolder

JOBS_PER_CALL = 500


class Job(NamedTuple):
    """A job in the queue: its state (PENDING, RUNNING, ...), the reason why it is pending, and its nodes."""

    state: str
    reason: str
    nodes: str


def is_installed() -> bool:
    """Return whether SLURM is installed on this machine."""
    return shutil.which("sbatch") is not None


def submit(arguments: Sequence[str]) -> str:
    """Submit a job with ``sbatch ARGUMENTS``; return its id.

    Raises RegardError with the message of sbatch if it fails.
    """
    return _call("sbatch", "--parsable", *arguments).strip().partition(";")[0]


def queue() -> dict[str, Job]:
    """Return the jobs of the user by id, with the tasks of arrays as ARRAY_TASK; empty if SLURM is not installed.

    Raises RegardError with the message of squeue if SLURM does not respond: the jobs are then unknown.
    """
    if not is_installed():
        return {}
    try:
        lines = _call("squeue", "--me", "--array", "--noheader", "--format=%i|%T|%r|%N").splitlines()
    except RegardError as error:
        raise RegardError(
            f"SLURM does not respond, so the state of its jobs is unknown; try later ({error})"
        ) from error
    jobs = (line.split("|", 3) for line in lines)
    return {name: Job(state, reason, nodes) for name, state, reason, nodes in jobs}


def queue_of(runs: Iterable[RunFolder]) -> dict[str, Job]:
    """Return `queue`, or an empty dict if no run has a job: SLURM may be installed without a cluster."""
    return queue() if any(run.job() for run in runs) else {}


def tasks(job: str, jobs: Iterable[str]) -> list[str]:
    """Return those of ``jobs`` that are ``job`` or tasks of the array ``job``."""
    return [name for name in jobs if name.partition("_")[0] == job]


def cancel(jobs: Sequence[str]) -> None:
    """Cancel pending and running jobs.

    Raises RegardError with the message of scancel if it fails.
    """
    for start in range(0, len(jobs), JOBS_PER_CALL):
        _call("scancel", *jobs[start : start + JOBS_PER_CALL])


def largest_array() -> int:
    """Return the largest number of tasks that the cluster allows in an array.

    Raises RegardError with the message of scontrol if SLURM does not respond.
    """
    try:
        shown = _call("scontrol", "show", "config")
    except RegardError as error:
        raise RegardError(
            f"SLURM does not respond; submit from a node of the cluster, and set SLURM_CONF if it needs it ({error})"
        ) from error
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", shown)
    return int(found[1]) if found else 1001


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        message = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RegardError(f"{command[0]}: {message}")
    return done.stdout
