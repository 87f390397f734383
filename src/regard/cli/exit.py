"""Exit code of a command, and its errors as one line on stderr."""

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

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of write calls. Their OSError does not name the file."""
INTERRUPTED = 130
"""The value that typer returns for a command interrupted by Ctrl-C."""


def run(command: Callable[..., Any]) -> int:
    """Run a typer command with the arguments of this process, and return the exit code.

    0 success, 1 failed, 2 wrong usage, 75 preempted. Every error is reported in one line. With ``REGARD_DEBUG=1`` its
    traceback is printed as well.
    """
    prepare_streams()
    logging.raiseExceptions = bool(os.environ.get("REGARD_DEBUG"))  # no traceback if a log line cannot be written
    try:
        try:
            code = command(standalone_mode=False) or 0
        except SystemExit as exited:  # raised by Hydra
            code = exited.code if isinstance(exited.code, int) else int(exited.code is not None)
        flush_stdout()
    except Exception as error:
        return _report(error)
    if code == INTERRUPTED:
        _print_error("stopped")
        return 1
    return int(code)


def _report(error: Exception) -> int:
    """Report ``error`` to the user, and return the exit code."""
    if os.environ.get("REGARD_DEBUG"):
        import traceback

        traceback.print_exc()
    if isinstance(error, BrokenPipeError):  # the reader of the output has closed the pipe
        abandon_stdout()
        return 1
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # an error of typer
        text, context = error.format_message(), getattr(error, "ctx", None)
        if "\n" in text:  # the help page: a command without arguments
            print(text, file=sys.stderr)
        else:
            _print_error(f"{text.rstrip('.')} (see {context.command_path if context else 'regard'} --help)")
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        error = RegardError("unexpected end of input") if isinstance(error.__cause__, EOFError) else error
    if isinstance(error, OSError) and error.errno in WRITE_ERRORS and error.filename is None:
        error = RegardError(f"stdout or a file cannot be written ({error.strerror}); the output is incomplete")
    try:
        flush_stdout()
    except (BrokenPipeError, RegardError):
        abandon_stdout()
    _print_error(user_message(error))
    return error.exit_code if isinstance(error, RegardError) else 1


def _print_error(text: str) -> None:
    with suppress(OSError):
        print(f"regard: {text}", file=sys.stderr)
