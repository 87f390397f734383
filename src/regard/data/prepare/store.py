"""Token ids on disk: written row by row, read through a memory map."""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from regard.errors import RegardError

# Each read maps 64 KiB or more (Linux, "fault around"): this many reads are a few megabytes.
READS_BEFORE_RELEASE = 128
ROWS_BEFORE_RELEASE = 1 << 13


class TokenWriter:
    """Writes rows of ids to ``<stem>.ids`` and the start of each row to ``<stem>.offsets``. Holds no row in memory.

    A context manager: ``<stem>.json`` (dtype, rows, tokens) is written at its end, unless there was an error.

    Args:
        stem: path without suffix.
        vocab_size: ids are below it. An id takes two bytes if it is at most 65,536, else four.
    """

    def __init__(self, stem: Path, vocab_size: int) -> None:
        self.stem = stem
        self.vocab_size = vocab_size
        self.dtype = np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
        self.rows = self.tokens = self.longest = 0
        self._ids = with_suffix(stem, "ids").open("wb")
        self._offsets = with_suffix(stem, "offsets").open("wb")
        self._offsets.write(np.zeros(1, dtype="<i8").tobytes())

    def append(self, rows: Sequence[Sequence[int]]) -> None:
        """Append rows.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
        if flat.size and not 0 <= flat.min() <= flat.max() < self.vocab_size:
            raise ValueError(f"ids from {flat.min()} to {flat.max()} in a vocabulary of {self.vocab_size}")
        # Not ndarray.tofile, whose error on a full disk has no errno.
        self._ids.write(flat.astype(self.dtype).tobytes())
        self._offsets.write((self.tokens + np.cumsum(lengths)).astype("<i8").tobytes())
        self.rows += len(rows)
        self.tokens += flat.size
        self.longest = max(self.longest, int(lengths.max(initial=0)))

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._ids.close()
        finally:
            self._offsets.close()
        if kind is None:
            text = json.dumps({"dtype": self.dtype.str, "rows": self.rows, "tokens": self.tokens})
            with_suffix(self.stem, "json").write_text(text, encoding="utf-8")


def join_tokens(parts: Sequence[Path], stem: Path) -> None:
    """Concatenate token files into one. Copies bytes and holds the offsets of one file at a time.

    Args:
        parts: at least one path without suffix.
    """
    rows = tokens = 0
    with with_suffix(stem, "ids").open("wb") as ids, with_suffix(stem, "offsets").open("wb") as offsets:
        offsets.write(np.zeros(1, dtype="<i8").tobytes())
        for part in parts:
            with with_suffix(part, "ids").open("rb") as file:
                shutil.copyfileobj(file, ids)
            about = json.loads(with_suffix(part, "json").read_text(encoding="utf-8"))
            ends = np.fromfile(with_suffix(part, "offsets"), dtype="<i8", offset=8)
            offsets.write((tokens + ends).astype("<i8").tobytes())
            rows, tokens = rows + about["rows"], tokens + about["tokens"]
    text = json.dumps({"dtype": about["dtype"], "rows": rows, "tokens": tokens})
    with_suffix(stem, "json").write_text(text, encoding="utf-8")


def token_files(stem: Path) -> list[Path]:
    """Return the files that contain the rows, which are equal for equal rows."""
    return [with_suffix(stem, suffix) for suffix in ("ids", "offsets")]


def digest(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the content of files in hexadecimal."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


class TokenFile:
    """Memory-mapped rows of a ``TokenWriter``. Opening reads no row, and processes share the pages.

    Pages are released at intervals, so that the memory of the process does not grow with the number of rows read.
    Pickling stores the path only: a worker process opens the file itself.

    Raises:
        RegardError: a file is missing or does not have the length that was written.
    """

    def __init__(self, stem: Path) -> None:
        self.stem = stem
        try:
            about = json.loads(with_suffix(stem, "json").read_text(encoding="utf-8"))
            self._ids = MappedArray(with_suffix(stem, "ids"), np.dtype(about["dtype"]), about["tokens"])
            self._offsets = MappedArray(with_suffix(stem, "offsets"), np.dtype("<i8"), about["rows"] + 1)
        except (OSError, ValueError, KeyError) as error:
            raise RegardError(
                f"the prepared data in {stem.parent} is damaged at {stem.name} ({error}); "
                "remove that folder, and it will be made again"
            ) from error

    def __reduce__(self) -> tuple[type[TokenFile], tuple[Path]]:
        return TokenFile, (self.stem,)

    def __len__(self) -> int:
        return len(self._offsets.array) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.int64]:
        """Return a copy of the ids of one row."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        start, end = self._offsets.read(row, row + 2)
        return self._ids.read(start, end).astype(np.int64)

    def offset(self, row: int) -> int:
        """Return the position of the start of a row among all ids; for row ``len(self)``, the end of the last row."""
        return int(self._offsets.read(row, row + 1)[0])

    def between(self, begin: int, end: int) -> npt.NDArray[np.int64]:
        """Return a copy of the ids from position ``begin`` up to ``end``, which may span several rows."""
        return self._ids.read(begin, end).astype(np.int64)

    def lengths_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of ids of each of these rows, Int64 "rows". Reads the file in its own order."""
        offsets, lengths = self._offsets.array, np.empty(len(rows), dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        for start in range(0, len(rows), ROWS_BEFORE_RELEASE):
            some = order[start : start + ROWS_BEFORE_RELEASE]
            lengths[some] = offsets[rows[some] + 1] - offsets[rows[some]]
            self._offsets.release()
        return lengths

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The number of ids of each row. Computed at each call and not stored: 4 bytes per row."""
        lengths = np.empty(len(self), dtype=np.int32)
        ends = self._offsets.array
        np.subtract(ends[1:], ends[:-1], out=lengths, casting="unsafe")
        self._offsets.release()
        return lengths


class MappedArray:
    """A memory-mapped array, whose pages can be released.

    Raises:
        ValueError: the length of the file is not that of ``count`` numbers of this dtype.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], count: int) -> None:
        size = path.stat().st_size
        if size != count * dtype.itemsize:
            raise ValueError(f"{path.name} has {size} bytes, expected {count * dtype.itemsize}")
        self._map: mmap.mmap | None = None
        self._reads = 0
        if count == 0:  # a memory map cannot be empty
            self.array: npt.NDArray[Any] = np.empty(0, dtype=dtype)
            return
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.array = np.frombuffer(self._map, dtype=dtype)

    def read(self, start: int, end: int) -> npt.NDArray[Any]:
        """Return a view of ``array[start:end]``. At intervals, release the pages of earlier reads."""
        self._reads += 1
        if self._reads % READS_BEFORE_RELEASE == 0:
            self.release()
        return self.array[start:end]

    def release(self) -> None:
        """Release the pages that were read to the system, which caches them while memory is free."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def with_suffix(stem: Path, suffix: str) -> Path:
    """Return the path of a file of a stem, whose own name may contain dots."""
    return stem.with_name(f"{stem.name}.{suffix}")
