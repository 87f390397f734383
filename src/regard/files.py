"""Files that are whole or not there, and places that can be written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from regard.errors import UsageError


@contextmanager
def replacing(path: Path, writer: str = "") -> Generator[Path, None, None]:
    """A file beside ``path`` to write to; when the block ends well it is flushed and takes the place of ``path``.

    Readers see the old file or the new one. What a kill leaves is written over by the next try. Where several may write
    at a time, each calls itself something else, ``writer``, so that none writes into the file of another. A device or a
    pipe is written to directly. An OSError names ``path``, not the file beside it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = Path(os.path.realpath(path))  # the file that a link leads to
    beside = path.with_name(f".{path.name}{writer}.part")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) == beside:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            beside.unlink()


def require_writable(option: str, path: Path) -> None:
    """Check that the file ``path`` can be written, before any work is done for it. Leave it as it is.

    Folders that are missing can be made later. Raises UsageError naming ``option`` and ``path``.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: a folder; give the name of a file to write")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if path.is_file() or not path.exists():  # not a device or a pipe
            _write_something(path.parent)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror}); choose another file") from error


def require_writable_folder(option: str, folder: Path) -> None:
    """Check that files can be written in ``folder``, which can be made later if it is missing.

    Raises UsageError naming ``option`` and ``folder``.
    """
    try:
        _write_something(folder)
    except OSError as error:
        raise UsageError(f"{option}={folder}: cannot be written ({error.strerror}); choose another folder") from error


def _write_something(folder: Path) -> None:
    """Write a temporary file in ``folder`` or, if there is none, in the one that it would be made in."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
    with tempfile.TemporaryFile(dir=folder):
        pass
