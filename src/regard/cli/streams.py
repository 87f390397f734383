"""The standard streams of a verb: UTF-8 whatever the locale, and safe if they are closed, full or nobody reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from regard.errors import RegardError, UsageError


def prepare_streams() -> None:
    """Make stdout and stderr write UTF-8, and take a closed stream for the null device.

    A closed descriptor would be given to the next file that is opened, which would then receive what is printed.
    Names of files that are not UTF-8 are printed as the bytes that they are.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor: this one
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def stdin_lines() -> Iterator[str]:
    """The lines of stdin as `regard.inference.stream.decoded_lines` gives them.

    Raises UsageError at once if stdin is closed, and RegardError later if it cannot be read.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed; give lines of text, from a pipe or with < FILE")
    from regard.inference.stream import decoded_lines

    lines = decoded_lines(sys.stdin.buffer, "stdin")

    def read() -> Iterator[str]:
        while True:
            try:
                line = next(lines)
            except StopIteration:
                return
            except OSError as error:
                raise RegardError(f"stdin cannot be read ({error.strerror}); give lines of text") from error
            yield line

    return read()


def stdin_is_terminal() -> bool:
    """Whether a person types the lines and waits for each answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def flush_stdout() -> None:
    """Flush stdout. Raises BrokenPipeError if its reader has closed it, RegardError if it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RegardError(f"stdout cannot be written ({error.strerror}); the output is not complete") from error


def abandon_stdout() -> None:
    """Discard buffered output, so that Python does not try to write it when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _null() -> TextIOWrapper:
    return Path(os.devnull).open("w", encoding="utf-8")
