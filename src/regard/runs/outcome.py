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
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from filelock import FileLock, Timeout

from regard.errors import RegardError, UsageError
from regard.runs.folder import RunFolder
from regard.training.resume import Interrupted

PREEMPTED = 75


@dataclass
class Outcome:
    """The exit code of a piece of work."""

    exit_code: int = 0


def is_first_process() -> bool:
    """Whether this process speaks for the run: rank 0, or the only one."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0


@contextmanager
def recorded(run: RunFolder) -> Iterator[Outcome]:
    """Do work inside this, and its end is written down.

    Exceptions end here: the user gets one line, log.txt the traceback. ``REGARD_DEBUG=1`` shows it too.
    Raises UsageError if another process works on the run.
    """
    outcome, first = Outcome(), is_first_process()
    lock = FileLock(run.path / ".working")
    if first:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"{run.path}: another process is working on this run; stop that one first") from None
    log = logging.FileHandler(run.path / "log.txt", encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    root = logging.getLogger()
    root.addHandler(log)
    lightning = logging.getLogger("pytorch_lightning")
    lightning.handlers, lightning.propagate = [], True  # to log.txt alone
    regard = logging.getLogger("regard")
    regard.setLevel(logging.INFO)
    if first:
        run.set_status("running", attempt=run.status()["attempt"] + 1)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield outcome
        if first:
            run.set_status("finished")
    except BaseException as error:
        status, outcome.exit_code, why = explain(error, run)
        regard.info("%s\n%s", why, traceback.format_exc())
        if first:
            run.set_status(status, why=why)
            print(f"regard: {why}", file=sys.stderr)
        if os.environ.get("REGARD_DEBUG"):
            traceback.print_exc()
    finally:
        root.removeHandler(log)
        log.close()
        lock.release()


def explain(error: BaseException, run: RunFolder) -> tuple[str, int, str]:
    """Status, exit code and one line for the user."""
    resume = f"go on with: regard resume {run.path}"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Interrupted) and error.signal != signal.SIGINT:
        return "preempted", PREEMPTED, f"{error}; its state is saved; {resume}"
    if isinstance(error, Interrupted | KeyboardInterrupt):
        saved = "its state is saved" if isinstance(error, Interrupted) else "stopped at once"
        return "cancelled", 1, f"stopped by Ctrl-C, {saved}; {resume}"
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
