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
