"""Record how an unfinished run ended.

Imports little, so that a process that is stopped before it has loaded anything else can record it.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import Any, NamedTuple

from regard.errors import PREEMPTED, RegardError
from regard.runs.folder import RunFolder
from regard.stop import Interrupted
from regard.training.distributed.ranks import request_requeue

MAX_ATTEMPTS_WITHOUT_STEP = 3
"""Attempts in a row without a training step before the run is marked failed instead of being requeued."""


class Outcome(NamedTuple):
    """The final status of an attempt, the exit code of its process, and the reason in one line."""

    status: str
    exit_code: int
    why: str


def outcome_of_signal(run: RunFolder, stop: Interrupted | KeyboardInterrupt, detail: str) -> Outcome:
    """Return the outcome of a run that a signal stopped: cancelled or preempted. ``detail`` is added to the reason."""
    if reason := run.cancelled():
        return Outcome("cancelled", 1, f"{reason}{detail}; {resume_hint(run)}")
    if isinstance(stop, KeyboardInterrupt) or stop.signal == signal.SIGINT:
        return Outcome("cancelled", 1, f"stopped by Ctrl-C{detail}; {resume_hint(run)}")
    return Outcome("preempted", PREEMPTED, f"{stop}{detail}; {resume_hint(run)}")


def resume_hint(run: RunFolder) -> str:
    """Return the part of a message that says how to resume ``run``."""
    return f"resume with: regard resume {run.path}"


def or_failure_of_other_rank(run: RunFolder, outcome: Outcome) -> Outcome:
    """Return the failure that another rank has recorded, or ``outcome`` if none has.

    A failing rank makes the launcher stop the others, so their own outcome is only a consequence.
    """
    note = run.path / ".failed"
    return Outcome("failed", 1, note.read_text(encoding="utf-8")) if note.exists() else outcome


def record_outcome(run: RunFolder, outcome: Outcome, received: int, **facts: Any) -> int:
    """Report the outcome to the user, write it to status.json with ``facts``, and return the exit code. Rank 0 only.

    ``received`` is the signal that stopped the work, or 0. After SIGUSR1 (the time limit is near) the job is
    requeued, unless ``MAX_ATTEMPTS_WITHOUT_STEP`` attempts in a row took no training step: then the run has failed.
    """
    if outcome.status == "preempted" and received == signal.SIGUSR1:
        facts["idle"] = 0 if "step" in facts else run.status().get("idle", 0) + 1
        if facts["idle"] >= MAX_ATTEMPTS_WITHOUT_STEP:
            outcome = Outcome("failed", 1, _no_step(run))
    print(f"regard: {outcome.why}", file=sys.stderr, flush=True)
    with suppress(OSError, RegardError):  # the disk is full or the folder damaged; the run is then reported as lost
        run.set_status(outcome.status, why=outcome.why, **facts)
    if outcome.status == "preempted":
        request_requeue(received)
    return outcome.exit_code


def _no_step(run: RunFolder) -> str:
    return (
        f"{MAX_ATTEMPTS_WITHOUT_STEP} attempts in a row reached their time limit without a training step; raise the "
        f"limit: regard resume {run.path} hydra.launcher.time_minutes=..."
    )
