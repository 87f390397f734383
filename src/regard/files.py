"""Writing whole files, and checks that a place can be written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from regard.errors import RegardError, UsageError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of a quota that is used up."""

_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@contextmanager
def replacing(path: Path, suffix: str = "") -> Generator[Path, None, None]:
    """Yield a temporary file beside ``path``. Without an error it is flushed at the end and replaces ``path``.

    Readers see either the old file or the new one. The next writer overwrites what a killed writer left. Concurrent
    writers of one path need different ``suffix``es, so that they do not share the temporary file. A device or a pipe
    is written directly. An OSError names ``path`` instead of the temporary file.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = Path(os.path.realpath(path))  # follow a link: its target is replaced
    temporary = path.with_name(f".{path.name}{suffix}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) == temporary:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Generator[Path, None, None]:
    """Yield a new folder beside ``path``. Without an error it is renamed to ``path``, which is missing or empty."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        folder = Path(temporary) / path.name
        folder.mkdir()
        yield folder
        folder.replace(path)


@contextmanager
def disk_errors(folder: Path) -> Generator[None, None, None]:
    """Convert the errors of a full disk, a used-up quota or a read-only folder to a RegardError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise RegardError(f"no space left to write in {folder}; free some, or choose another folder") from error
        if error.errno in _NOT_ALLOWED:
            raise RegardError(f"cannot write in {folder}: {error.strerror}; choose another folder") from error
        raise


def require_writable(option: str, path: Path) -> None:
    """Check that the file ``path`` can be written, before any work is done for it. The file is not changed.

    Missing folders are not an error: they can be created later. Raises UsageError naming ``option`` and ``path``.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: a folder; give the name of a file to write")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if path.is_file() or not path.exists():  # not a device or a pipe
            _write_temporary_file(path.parent)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror}); choose another file") from error


def require_new_folder(option: str, folder: Path) -> None:
    """Check that ``folder`` can be created, or is empty. Raises UsageError naming ``option`` and ``folder``."""
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{option} {folder}: not empty; give the name of a new folder")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{option} {folder}: a file; give the name of a new folder")
    try:
        _write_temporary_file(folder)
    except OSError as error:
        raise UsageError(f"{option} {folder}: cannot be written ({error.strerror}); choose another folder") from error


def require_writable_folder(option: str, folder: Path) -> None:
    """Check that files can be written in ``folder``. A missing folder is not an error: it can be created later.

    Raises UsageError naming ``option`` and ``folder``.
    """
    try:
        _write_temporary_file(folder)
    except OSError as error:
        raise UsageError(f"{option}={folder}: cannot be written ({error.strerror}); choose another folder") from error


def _write_temporary_file(folder: Path) -> None:
    """Write a temporary file in ``folder``, or in its nearest parent that exists."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
    with tempfile.TemporaryFile(dir=folder):
        pass
