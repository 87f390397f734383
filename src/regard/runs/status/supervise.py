"""Supervise the work of a run: lock, log, heartbeat and signals, and a record of how it ended."""

from __future__ import annotations

import errno
import logging
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import torch

from regard.data.prepare.workers import WorkerFailed
from regard.errors import RegardError, one_line
from regard.runs.folder import RunFolder
from regard.runs.log import log_to, log_warning
from regard.runs.status.content import STALE_SECONDS
from regard.runs.status.heartbeat import Heartbeat
from regard.runs.status.outcome import Outcome, or_failure_of_other_rank, outcome_of_signal, record_outcome, resume_hint
from regard.stop import STOP, Interrupted
from regard.training.checkpoint import read_checkpoint
from regard.training.distributed.ranks import is_first_process, job_id, rank, started_by_srun, world_size

REQUEUE_SECONDS = 60
"""Time to wait for the lock of a run in a SLURM job: a requeued job may start before its predecessor has left."""

Result = TypeVar("Result")


def supervise(run: RunFolder, work: Callable[[Heartbeat], Result]) -> tuple[int, Result | None]:
    """Call ``work`` with the heartbeat of ``run``; return the exit code, and the result or None if it failed.

    Errors do not leave this function: the user gets one line, log.txt the traceback (with ``REGARD_DEBUG=1``, both).
    Signals are handled (`regard.stop`). Raises UsageError if another process works on the run.
    """
    first, heartbeat = is_first_process(), Heartbeat(run)
    lock = run.locked(timeout_seconds=REQUEUE_SECONDS if started_by_srun() else 0) if first else nullcontext()
    with lock, log_to(run.path / "log.txt"):
        STOP.when_stuck = partial(_record_stuck, run, heartbeat)
        with STOP.listening():
            try:
                if run.cancelled():
                    raise Interrupted(signal.SIGTERM)
                if first:
                    _record_start(run)
                with heartbeat if first else nullcontext(), warnings.catch_warnings():
                    warnings.showwarning = log_warning
                    result = work(heartbeat)
                STOP.hold()  # the work is done: a signal that arrives now is too late
                if first:
                    run.set_status("finished", **heartbeat.facts())
            except BaseException as error:
                return _record_error(run, heartbeat, error), None
    return 0, result


def _record_start(run: RunFolder) -> None:
    (run.path / ".failed").unlink(missing_ok=True)
    for temporary in run.path.glob(".*.part"):
        with suppress(FileNotFoundError):  # a live writer has just renamed it
            if time.time() - temporary.stat().st_mtime > STALE_SECONDS:  # its writer was killed
                temporary.unlink()
    if started_by_srun() and (job := job_id()):
        run.set_job(job)  # the job may have been submitted by hand
    before = run.status()
    began = before.get("began", datetime.now(UTC).isoformat(timespec="seconds"))
    run.set_status("running", attempt=before["attempt"] + 1, began=began, pid=os.getpid(), job=job_id())


def _record_error(run: RunFolder, heartbeat: Heartbeat, error: BaseException) -> int:
    """Record how the work ended and return the exit code. Every rank logs its error; rank 0 reports the outcome."""
    STOP.hold()  # a signal must not interrupt this
    outcome = outcome_of_error(error, run)
    logging.getLogger("regard").info("%s\n%s", outcome.why, traceback.format_exc())
    if os.environ.get("REGARD_DEBUG"):
        traceback.print_exc()
    if is_first_process():
        if isinstance(error, Interrupted | RuntimeError):
            outcome = or_failure_of_other_rank(run, outcome)
        return record_outcome(run, outcome, STOP.signal, **heartbeat.facts())
    if outcome.status == "failed":
        (run.path / ".failed").write_text(f"{outcome.why} (rank {rank()})", encoding="utf-8")
    return outcome.exit_code


def _record_stuck(run: RunFolder, heartbeat: Heartbeat, stop: Interrupted) -> int:
    """Record the outcome of a process whose main thread does not handle the signal ``stop``; return the exit code."""
    outcome = outcome_of_error(stop, run)
    if not is_first_process():
        return outcome.exit_code
    heartbeat.end()
    return record_outcome(run, or_failure_of_other_rank(run, outcome), stop.signal, **heartbeat.facts())


def outcome_of_error(error: BaseException, run: RunFolder) -> Outcome:
    """Return the outcome of a run that ``error`` has ended; its reason is the message for the user."""
    if STOP.signal and (isinstance(error, WorkerFailed) or (isinstance(error, RuntimeError) and world_size() > 1)):
        error = Interrupted(STOP.signal)  # helper processes and other ranks received it too and left earlier
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return outcome_of_signal(run, error, _saved_step(run))
    if isinstance(error, RegardError):
        return Outcome("failed", error.exit_code, one_line(error, None))
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error):
        advice = "lower batches.tokens_per_batch (and raise trainer.accumulate_grad_batches by the same factor)"
        return Outcome("failed", 1, f"out of memory: {advice}, or choose a smaller model=")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = error.filename or run.path
        return Outcome("failed", 1, f"no space left on the disk of {where}: free some space, then {resume_hint(run)}")
    return Outcome("failed", 1, f"{type(error).__name__}: {one_line(error)} (traceback: {run.path / 'log.txt'})")


def _saved_step(run: RunFolder) -> str:
    """Return the step of the checkpoint from which the run will resume, as a part of a message; empty without one."""
    for name in ("last.ckpt", "last.previous.ckpt"):
        with suppress(RegardError):
            return f"; its state is saved (step {read_checkpoint(run.checkpoints / name)['global_step']})"
    return ""
