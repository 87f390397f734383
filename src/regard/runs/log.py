"""log.txt, the log file of a run."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regard.training.distributed.ranks import is_first_process


class LogFile(logging.FileHandler):
    """A FileHandler that drops records when the disk is full; the work itself reports that error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name in logging.Handler
        """Ignore the error."""

    def close(self) -> None:
        """Close the file, ignoring errors: closing flushes, which fails on a full disk."""
        with suppress(OSError):
            super().close()


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Write the log records of regard and Lightning to ``path`` inside the with statement."""
    log = LogFile(path, encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    logging.getLogger().addHandler(log)
    lightning = logging.getLogger("pytorch_lightning")
    lightning.handlers, lightning.propagate = [], True  # only to log.txt, not to the terminal
    logging.getLogger("regard").setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(log)
        log.close()


def log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Log a warning instead of printing it. Warnings of regard itself are printed too, on rank 0."""
    logging.getLogger("regard").info("%s: %s (%s:%d)", category.__name__, message, filename, lineno)
    if category is UserWarning and f"{os.sep}regard{os.sep}" in filename and is_first_process():
        print(f"regard: {message}", file=sys.stderr)
