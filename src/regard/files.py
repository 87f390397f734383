"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, writer: str = "") -> Generator[Path, None, None]:
    """A file beside ``path`` to write to; when the block ends well it is flushed and takes the place of ``path``.

    Readers see the old file or the new one. What a kill leaves is written over by the next try. Where several may write
    at a time, each calls itself something else, ``writer``, so that none writes into the file of another.
    """
    beside = path.with_name(f".{path.name}{writer}.part")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
