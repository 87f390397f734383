"""How work ends: what stands in status.json and log.txt, and what the user is told."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import torch
from filelock import FileLock, Timeout

from regard.data.encode import WorkerFailed
from regard.errors import PREEMPTED, RegardError, UsageError
from regard.runs.folder import RunFolder
from regard.runs.heartbeat import Heartbeat
from regard.stop import STOP, Interrupted
from regard.training.ranks import from_srun, is_first_process, job_id, note_whether_to_requeue, rank, world_size

PATIENCE_ATTEMPTS = 3
"""That may end near their time limit without a step: the job would be queued again for ever."""


@dataclass
class Outcome:
    """The exit code of a piece of work, and what keeps its run alive meanwhile."""

    heartbeat: Heartbeat
    exit_code: int = 0


@contextmanager
def recorded(run: RunFolder) -> Iterator[Outcome]:
    """Do work inside this, and its end is written down.

    Exceptions end here: the user gets one line, log.txt the traceback. ``REGARD_DEBUG=1`` shows it too.
    Signals are heard (`regard.stop`). Raises UsageError if another process works on the run.
    """
    first = is_first_process()
    outcome = Outcome(Heartbeat(run))
    lock = FileLock(run.path / ".working")
    if first:
        try:
            # A job that SLURM has requeued may be there before its former self is gone.
            lock.acquire(timeout=60 if from_srun() else 0)
        except Timeout:
            raise UsageError(f"{run.path}: another process is working on this run; stop that one first") from None
    log = _log_to(run)
    STOP.when_stuck = partial(_end_stuck, run)
    try:
        with STOP.listening():
            try:
                if run.cancelled():
                    raise Interrupted(signal.SIGTERM)
                if first:
                    _begin(run)
                with outcome.heartbeat if first else nullcontext(), warnings.catch_warnings():
                    warnings.showwarning = _log_warning
                    yield outcome
                if first:
                    run.set_status("finished", **outcome.heartbeat.facts())
            except BaseException as error:
                _end(run, outcome, error)
    finally:
        logging.getLogger().removeHandler(log)
        log.close()
        lock.release()


class _Log(logging.FileHandler):
    """A log that does without a line that there is no room for: what the work itself writes will tell of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Nothing."""

    def close(self) -> None:
        """Close it; a full disk may refuse even that."""
        with suppress(OSError):
            super().close()


def _log_to(run: RunFolder) -> logging.Handler:
    """Log to the run's log.txt what regard and Lightning say."""
    log = _Log(run.path / "log.txt", encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    logging.getLogger().addHandler(log)
    lightning = logging.getLogger("pytorch_lightning")
    lightning.handlers, lightning.propagate = [], True  # to log.txt alone
    logging.getLogger("regard").setLevel(logging.INFO)
    return log


def _begin(run: RunFolder) -> None:
    (run.path / ".failed").unlink(missing_ok=True)
    before = run.status()
    began = before.get("began", datetime.now(UTC).isoformat(timespec="seconds"))
    run.set_status("running", attempt=before["attempt"] + 1, began=began, pid=os.getpid(), job=job_id())


def _end(run: RunFolder, outcome: Outcome, error: BaseException) -> None:
    """Write down and tell how the work ended; every rank comes here, the first one speaks."""
    STOP.hold()  # no signal comes between
    status, outcome.exit_code, why = explain(error, run)
    logging.getLogger("regard").info("%s\n%s", why, traceback.format_exc())
    if is_first_process():
        facts = outcome.heartbeat.facts()
        if status == "preempted" and STOP.signal == signal.SIGUSR1:
            facts["idle"] = 0 if "step" in facts else run.status().get("idle", 0) + 1
            if facts["idle"] == PATIENCE_ATTEMPTS:
                status, outcome.exit_code, why = "failed", 1, _idle(run)
        if isinstance(error, Interrupted | RuntimeError) and (elsewhere := _failure_of_another(run)):
            status, outcome.exit_code, why = "failed", 1, elsewhere
        print(f"regard: {why}", file=sys.stderr)
        with suppress(OSError):  # on a full disk; the run then shows as lost
            run.set_status(status, why=why, **facts)
    elif status == "failed":
        (run.path / ".failed").write_text(f"{why} (rank {rank()})", encoding="utf-8")
    if os.environ.get("REGARD_DEBUG"):
        traceback.print_exc()


def _idle(run: RunFolder) -> str:
    return (
        f"{PATIENCE_ATTEMPTS} attempts in a row came near their time limit without a step of training: give more time, "
        f"regard resume {run.path} hydra.launcher.time_minutes=..."
    )


def _end_stuck(run: RunFolder, stop: Interrupted) -> int:
    """What `_end` does, for a process that cannot come there; the exit code."""
    note_whether_to_requeue(stop.signal)
    status, code, why = explain(stop, run)
    if is_first_process():
        print(f"regard: {why}", file=sys.stderr, flush=True)
        run.set_status(status, why=why)
    return code


def _failure_of_another(run: RunFolder) -> str | None:
    """Why another rank failed, which is why this one was told to stop; None if none did."""
    note = run.path / ".failed"
    return note.read_text(encoding="utf-8") if note.exists() else None


def explain(error: BaseException, run: RunFolder) -> tuple[str, int, str]:
    """Status, exit code and one line for the user."""
    resume = f"go on with: regard resume {run.path}"
    text = " ".join(str(error).split()) or type(error).__name__
    if STOP.signal and (isinstance(error, WorkerFailed) or (isinstance(error, RuntimeError) and world_size() > 1)):
        error = Interrupted(STOP.signal)  # helpers and other ranks were told too, and have left sooner
    if isinstance(error, Interrupted | KeyboardInterrupt):
        saved = "; its state is saved" if any(run.checkpoints.glob("last*.ckpt")) else ""
        if reason := run.cancelled():
            return "cancelled", 1, f"{reason}{saved}; {resume}"
        if isinstance(error, KeyboardInterrupt) or error.signal == signal.SIGINT:
            return "cancelled", 1, f"stopped by Ctrl-C{saved}; {resume}"
        return "preempted", PREEMPTED, f"{error}{saved}; {resume}"
    if isinstance(error, RegardError):
        return "failed", error.exit_code, text
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in text:
        advice = "lower batches.tokens_per_batch (and raise trainer.accumulate_grad_batches by as much)"
        return "failed", 1, f"out of memory: {advice}, or choose a smaller model="
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "failed",
            1,
            f"no space left on the disk of {error.filename or run.path}: make room, then {resume}",
        )
    return "failed", 1, f"{type(error).__name__}: {text[:300]} (the traceback is in {run.path / 'log.txt'})"


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Warnings go to log.txt; the user sees those that regard itself gives."""
    logging.getLogger("regard").info("%s: %s (%s:%d)", category.__name__, message, filename, lineno)
    if category is UserWarning and f"{os.sep}regard{os.sep}" in filename and is_first_process():
        print(f"regard: {message}", file=sys.stderr)
