"""How a command ends: its exit code, and one line on stderr for whatever went wrong."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer

from regard.cli.streams import abandon_stdout, flush_stdout, prepare_streams
from regard.errors import RegardError, user_message

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing, which does not name the file."""
INTERRUPTED = 130
"""What typer returns of a command that Ctrl-C has ended."""


def run(command: Callable[..., Any]) -> int:
    """Run a typer command on this process's arguments; the exit code.

    0 success, 1 failed, 2 wrong usage, 75 preempted. Each error is one line, whatever raised it. ``REGARD_DEBUG=1``
    shows its traceback too.
    """
    prepare_streams()
    logging.raiseExceptions = bool(os.environ.get("REGARD_DEBUG"))  # no traceback of a log line that nobody reads
    try:
        try:
            code = command(standalone_mode=False) or 0
        except SystemExit as leaving:  # of Hydra
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        flush_stdout()
    except Exception as error:
        return _report(error)
    if code == INTERRUPTED:
        _say("stopped")
        return 1
    return int(code)


def _report(error: Exception) -> int:
    """Tell the user of ``error``; the exit code."""
    if os.environ.get("REGARD_DEBUG"):
        import traceback

        traceback.print_exc()
    if isinstance(error, BrokenPipeError):  # the reader of the output wants no more
        abandon_stdout()
        return 1
    if hasattr(error, "show") and hasattr(error, "exit_code"):  # typer's own, which names the usage
        error.show()
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        error = RegardError("unexpected end of input") if isinstance(error.__cause__, EOFError) else error
    if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
        error = RegardError(f"stdout or a file cannot be written ({error.strerror}); what is there is not complete")
    try:
        flush_stdout()
    except (BrokenPipeError, RegardError):
        abandon_stdout()
    _say(user_message(error))
    return error.exit_code if isinstance(error, RegardError) else 1


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"regard: {text}", file=sys.stderr)
