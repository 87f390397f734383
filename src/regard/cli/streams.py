"""Standard streams: UTF-8 in every locale, and handling of closed, full and unread streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from regard.errors import RegardError, UsageError


def prepare_streams() -> None:
    """Let stdout and stderr write UTF-8, and replace closed streams by the null device.

    Otherwise the next opened file would get the closed descriptor, and printed text would be written to that file. File
    names that are not UTF-8 are printed as their bytes.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def stdin_lines() -> Iterator[str]:
    """Return the lines of stdin, see `regard.inference.stream.decoded_lines`.

    Raises UsageError immediately if stdin is closed, and RegardError during the iteration if it cannot be read.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed: expected lines of text, from a pipe or with < FILE")
    from regard.inference.stream import decoded_lines

    lines = decoded_lines(sys.stdin.buffer, "stdin")

    def read() -> Iterator[str]:
        while True:
            try:
                line = next(lines)
            except StopIteration:
                return
            except OSError as error:
                raise RegardError(f"stdin cannot be read ({error.strerror}): expected lines of text") from error
            yield line

    return read()


def stdin_is_terminal() -> bool:
    """Whether stdin is a terminal, so that a person waits for the output of each line."""
    return sys.stdin is not None and sys.stdin.isatty()


def flush_stdout() -> None:
    """Flush stdout. Raises BrokenPipeError if its reader has closed the pipe, RegardError if it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RegardError(f"stdout cannot be written ({error.strerror}); the output is incomplete") from error


def abandon_stdout() -> None:
    """Discard buffered output, so that Python does not try to write it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _null() -> TextIOWrapper:
    return Path(os.devnull).open("w", encoding="utf-8")
