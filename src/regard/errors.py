"""What regard says when it stops.

Every message is one line: it names the file, the line or the key, what was expected and what to do.
"""

from __future__ import annotations


class RegardError(Exception):
    """The work cannot be done; the message is for the user. ``exit_code`` is the process's."""

    exit_code = 1


class UsageError(RegardError):
    """The command line or the configuration is wrong."""

    exit_code = 2


PREEMPTED = 75
"""Exit code of work that was told to stop, and can go on."""

LONGEST_LINE = 500
"""Characters of a message that a library wrote."""


def in_one_line(error: BaseException) -> str:
    """Describe any error to the user in one line; a RegardError by its own message."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RegardError):
        return text
    text = text[:LONGEST_LINE]
    if isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text:
        return "out of memory: give less text at a time, or choose another device"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {text} (unexpected; REGARD_DEBUG=1 shows the traceback)"
