"""What is written down of work that ends otherwise than finished, by whichever way out of a process it comes.

Light, so that a process that is told to stop before it has loaded anything else can say so.
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

PATIENCE_ATTEMPTS = 3
"""That may end near their time limit without a step: the job would be queued again for ever."""


class Ending(NamedTuple):
    """The status that a run is left with, the exit code of its work, and a line that says why."""

    status: str
    exit_code: int
    why: str


def of_being_told(run: RunFolder, stop: Interrupted | KeyboardInterrupt, when: str) -> Ending:
    """The end of work that was told to stop; ``when`` goes on saying where that has left it."""
    resume = f"go on with: regard resume {run.path}"
    if reason := run.cancelled():
        return Ending("cancelled", 1, f"{reason}{when}; {resume}")
    if isinstance(stop, KeyboardInterrupt) or stop.signal == signal.SIGINT:
        return Ending("cancelled", 1, f"stopped by Ctrl-C{when}; {resume}")
    return Ending("preempted", PREEMPTED, f"{stop}{when}; {resume}")


def or_of_another(run: RunFolder, ending: Ending) -> Ending:
    """``ending``, of work that was told to stop or was left alone, unless another rank has failed: then that is why."""
    note = run.path / ".failed"
    return Ending("failed", 1, note.read_text(encoding="utf-8")) if note.exists() else ending


def write_down(run: RunFolder, ending: Ending, told: int, **facts: Any) -> int:
    """Say how the work of rank 0 has ended: to the user, in status.json with ``facts``, and to its job; the exit code.

    ``told`` is the signal that was heard, or 0. One that comes before a time limit has the job queued again, unless
    there were ``PATIENCE_ATTEMPTS`` such ends in a row without a step: that is a failure.
    """
    if ending.status == "preempted" and told == signal.SIGUSR1:
        facts["idle"] = 0 if "step" in facts else run.status().get("idle", 0) + 1
        if facts["idle"] >= PATIENCE_ATTEMPTS:
            ending = Ending("failed", 1, _idle(run))
    print(f"regard: {ending.why}", file=sys.stderr, flush=True)
    with suppress(OSError, RegardError):  # on a full disk, or of a damaged folder; the run then shows as lost
        run.set_status(ending.status, why=ending.why, **facts)
    if ending.status == "preempted":
        request_requeue(told)
    return ending.exit_code


def _idle(run: RunFolder) -> str:
    return (
        f"{PATIENCE_ATTEMPTS} attempts in a row came near their time limit without a step of training: give more time, "
        f"regard resume {run.path} hydra.launcher.time_minutes=..."
    )
