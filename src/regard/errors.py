"""Errors with a message for the user, and the exit codes of the process.

Every message is one line. It names the file, line or key, states what was expected, and what to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


class RegardError(Exception):
    """An error whose message is for the user. ``exit_code`` is the exit code of the process."""

    exit_code = 1


class UsageError(RegardError):
    """The command line or the configuration is wrong."""

    exit_code = 2


PREEMPTED = 75
"""Exit code of work that was stopped by a signal and can be resumed."""

LONGEST_LINE = 300
"""Maximum number of characters of a message that a library wrote, when it is shown to the user."""


def one_line(error: BaseException, longest: int | None = LONGEST_LINE) -> str:
    """Return the message of ``error`` in one line of at most ``longest`` characters; its type if it has no message."""
    return (" ".join(str(error).split()) or type(error).__name__)[:longest]


def report_errors(work: Callable[[], int]) -> int:
    """Return the exit code of ``work``. An error is printed in one line, or raised with ``REGARD_DEBUG=1``."""
    try:
        return work()
    except Exception as error:
        if os.environ.get("REGARD_DEBUG"):
            raise
        print(f"regard: {user_message(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, RegardError) else 1


def user_message(error: BaseException) -> str:
    """Describe any error to the user in one line. The message of a RegardError is unchanged."""
    if isinstance(error, RegardError):
        return one_line(error, None)
    text = one_line(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text:
        return "out of memory: give less text at a time, or choose another device"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {text} (unexpected; REGARD_DEBUG=1 shows the traceback)"
