"""Talking to SLURM: sbatch, squeue, scancel, scontrol themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from regard.errors import RegardError
from regard.runs.folder import RunFolder

JOBS_A_CALL = 500


class Job(NamedTuple):
    """A job that SLURM has not done with: PENDING, RUNNING, ...; why it waits; where it runs."""

    state: str
    reason: str
    nodes: str


def is_here() -> bool:
    """Whether this machine has SLURM's commands."""
    return shutil.which("sbatch") is not None


def submit(arguments: Sequence[str]) -> str:
    """The id of the job that ``sbatch ARGUMENTS`` makes.

    Raises RegardError with what sbatch says if it refuses.
    """
    return _call("sbatch", "--parsable", *arguments).strip().partition(";")[0]


def queue() -> dict[str, Job]:
    """The user's jobs, tasks of arrays one by one (ARRAY_TASK); none if there is no SLURM.

    Raises RegardError with what squeue says if SLURM does not answer: which jobs there are is then not known.
    """
    if not is_here():
        return {}
    try:
        lines = _call("squeue", "--me", "--array", "--noheader", "--format=%i|%T|%r|%N").splitlines()
    except RegardError as error:
        raise RegardError(f"SLURM does not say which jobs it has; try again when it does ({error})") from error
    jobs = (line.split("|", 3) for line in lines)
    return {name: Job(state, reason, nodes) for name, state, reason, nodes in jobs}


def queue_of(runs: Iterable[RunFolder]) -> dict[str, Job]:
    """`queue`, not asked for if none of ``runs`` is a job's: SLURM's commands may be where no cluster is."""
    return queue() if any(run.job() for run in runs) else {}


def tasks(job: str, jobs: Iterable[str]) -> list[str]:
    """Those of ``jobs`` that are ``job`` or, if it is an array, its tasks."""
    return [name for name in jobs if name.partition("_")[0] == job]


def cancel(jobs: Sequence[str]) -> None:
    """End these jobs, whether they wait or run.

    Raises RegardError with what scancel says.
    """
    for start in range(0, len(jobs), JOBS_A_CALL):
        _call("scancel", *jobs[start : start + JOBS_A_CALL])


def largest_array() -> int:
    """The most tasks that an array may have here."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _call("scontrol", "show", "config"))
    return int(found[1]) if found else 1001


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RegardError(f"{command[0]}: {said}")
    return done.stdout
