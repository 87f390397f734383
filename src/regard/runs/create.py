"""Creating run folders, and writing their files."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from regard.errors import RegardError
from regard.files import replacing


def unique_path(parent: Path) -> Path:
    """Return a new path in ``parent``, unique by time and a random suffix."""
    return parent / f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


@contextmanager
def create_atomically(final: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. Without an error it is renamed to ``final`` at the end, else removed."""
    temporary = final.with_name(f".{final.name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(final)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RegardError(f"{final}: the run folder cannot be created ({error.strerror}); set paths.runs") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a text file; concurrent readers and writers see either the old or the new content."""
    with replacing(path, f".{secrets.token_hex(4)}") as beside:
        beside.write_text(text, encoding="utf-8")
