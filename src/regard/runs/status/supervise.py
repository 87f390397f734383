"""How work ends: what stands in status.json and log.txt, and what the user is told."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import torch

from regard.data.prepare.encode import WorkerFailed
from regard.errors import RegardError
from regard.runs.folder import RunFolder
from regard.runs.status.content import STALE_SECONDS
from regard.runs.status.heartbeat import Heartbeat
from regard.runs.status.outcome import Ending, of_being_told, or_of_another, write_down
from regard.stop import STOP, Interrupted
from regard.training.checkpoint import read_checkpoint
from regard.training.distributed.ranks import is_first_process, job_id, rank, started_by_srun, world_size

Result = TypeVar("Result")


def record(run: RunFolder, work: Callable[[Heartbeat], Result]) -> tuple[int, Result | None]:
    """Do ``work``, which is given the run's heartbeat, and write its end down; its exit code, and what it returned.

    Exceptions end here: the user gets one line, log.txt the traceback. ``REGARD_DEBUG=1`` shows it too.
    Signals are heard (`regard.stop`). Raises UsageError if another process works on the run.
    """
    first, heartbeat = is_first_process(), Heartbeat(run)
    # A job that SLURM has requeued may be there before its former self is gone.
    alone = run.locked(patience_seconds=60 if started_by_srun() else 0) if first else nullcontext()
    with alone, _log_to(run):
        STOP.when_stuck = partial(_end_stuck, run, heartbeat)
        with STOP.listening():
            try:
                if run.cancelled():
                    raise Interrupted(signal.SIGTERM)
                if first:
                    _begin(run)
                with heartbeat if first else nullcontext(), warnings.catch_warnings():
                    warnings.showwarning = _log_warning
                    result = work(heartbeat)
                STOP.hold()  # it is over: a signal that comes now is too late
                if first:
                    run.set_status("finished", **heartbeat.facts())
            except BaseException as error:
                return _end(run, heartbeat, error), None
    return 0, result


class _Log(logging.FileHandler):
    """A log that does without a line that there is no room for: what the work itself writes will tell of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Nothing."""

    def close(self) -> None:
        """Close it; a full disk may refuse even that."""
        with suppress(OSError):
            super().close()


@contextmanager
def _log_to(run: RunFolder) -> Iterator[None]:
    """Within this, log to the run's log.txt what regard and Lightning say."""
    log = _Log(run.path / "log.txt", encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    logging.getLogger().addHandler(log)
    lightning = logging.getLogger("pytorch_lightning")
    lightning.handlers, lightning.propagate = [], True  # to log.txt alone
    logging.getLogger("regard").setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(log)
        log.close()


def _begin(run: RunFolder) -> None:
    (run.path / ".failed").unlink(missing_ok=True)
    for left in run.path.glob(".*.part"):  # by a writer that was killed
        with suppress(FileNotFoundError):  # one that is alive has just put it in its place
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()
    if started_by_srun() and (job := job_id()):
        run.set_job(job)  # it may have been submitted by hand
    before = run.status()
    began = before.get("began", datetime.now(UTC).isoformat(timespec="seconds"))
    run.set_status("running", attempt=before["attempt"] + 1, began=began, pid=os.getpid(), job=job_id())


def _end(run: RunFolder, heartbeat: Heartbeat, error: BaseException) -> int:
    """Write down and tell how the work ended; every rank comes here, the first one speaks. The exit code."""
    STOP.hold()  # no signal comes between
    ending = explain(error, run)
    logging.getLogger("regard").info("%s\n%s", ending.why, traceback.format_exc())
    if os.environ.get("REGARD_DEBUG"):
        traceback.print_exc()
    if is_first_process():
        if isinstance(error, Interrupted | RuntimeError):
            ending = or_of_another(run, ending)
        return write_down(run, ending, STOP.signal, **heartbeat.facts())
    if ending.status == "failed":
        (run.path / ".failed").write_text(f"{ending.why} (rank {rank()})", encoding="utf-8")
    return ending.exit_code


def _end_stuck(run: RunFolder, heartbeat: Heartbeat, stop: Interrupted) -> int:
    """What `_end` does, for a process that cannot come there; the exit code."""
    ending = explain(stop, run)
    if not is_first_process():
        return ending.exit_code
    heartbeat.end()
    return write_down(run, or_of_another(run, ending), stop.signal, **heartbeat.facts())


def explain(error: BaseException, run: RunFolder) -> Ending:
    """What an error makes of its run; the line is for the user."""
    resume = f"go on with: regard resume {run.path}"
    text = " ".join(str(error).split()) or type(error).__name__
    if STOP.signal and (isinstance(error, WorkerFailed) or (isinstance(error, RuntimeError) and world_size() > 1)):
        error = Interrupted(STOP.signal)  # helpers and other ranks were told too, and have left sooner
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return of_being_told(run, error, _saved(run))
    if isinstance(error, RegardError):
        return Ending("failed", error.exit_code, text)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in text:
        advice = "lower batches.tokens_per_batch (and raise trainer.accumulate_grad_batches by as much)"
        return Ending("failed", 1, f"out of memory: {advice}, or choose a smaller model=")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = error.filename or run.path
        return Ending("failed", 1, f"no space left on the disk of {where}: make room, then {resume}")
    more = f"(the traceback is in {run.path / 'log.txt'})"
    return Ending("failed", 1, f"{type(error).__name__}: {text[:300]} {more}")


def _saved(run: RunFolder) -> str:
    """Where the run will go on; nothing if it has no checkpoint. In the last validation steps are behind it."""
    for name in ("last.ckpt", "last.previous.ckpt"):
        with suppress(RegardError):
            return f"; its state is saved (step {read_checkpoint(run.checkpoints / name)['global_step']})"
    return ""


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
