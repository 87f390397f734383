"""Reading text files line by line. Errors name the line."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, cast

from regard.errors import RegardError

_BOM = b"\xef\xbb\xbf"


def require_file(path: Path) -> None:
    """Raise a RegardError, with similar names in the same folder, unless ``path`` is a file."""
    if path.is_file():
        return
    if path.is_dir():
        raise RegardError(f"{path} is a folder: expected a text file; name a file in it")
    if not path.parent.is_dir():
        raise RegardError(f"no file {path}: the folder {path.parent} does not exist; correct the path")
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    near = [name for name in (f"{path.name}.gz", path.name.removesuffix(".gz")) if name in names]
    near += [name for name in difflib.get_close_matches(path.name, names, n=3) if name not in near]
    hint = f"; did you mean {' or '.join(near)}?" if near else "; correct the path"
    raise RegardError(f"no file {path}{hint}")


def read_lines(path: Path) -> Iterator[str]:
    """Stream the lines of a UTF-8 text file, which is compressed if its name ends in ``.gz``.

    A line ends with ``\\n`` or ``\\r\\n``; other Unicode line separators are text. A byte order mark at the start of
    the file is dropped.

    Raises:
        RegardError: the file does not exist, its compression is damaged, or a line is not UTF-8 (file and line).
    """
    require_file(path)
    number = 0
    try:
        with _open(path) as file:
            for line in decoded_lines(file, str(path)):
                number += 1
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RegardError(
            f"{path}, after line {number}: the gzip file is damaged or truncated ({error}); download it again"
        ) from error
    except PermissionError as error:
        raise RegardError(f"{path} cannot be read: {error.strerror}; correct its permissions") from error


def decoded_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Decode the lines of a UTF-8 stream by the rules of `read_lines`; ``name`` is that of the stream, for messages.

    Raises:
        RegardError: a line is not UTF-8 (names the line).
    """
    for number, raw in enumerate(stream, start=1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        if line.endswith(b"\n"):
            line = line[:-1].removesuffix(b"\r")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RegardError(
                f"{name}, line {number}: not UTF-8 (byte 0x{error.object[error.start]:02x} at position "
                f"{error.start + 1}); convert the file to UTF-8, for example with iconv"
            ) from error


def read_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Stream the lines of two aligned files in parallel.

    Raises:
        RegardError: as ``read_lines``; or the files have different numbers of lines (names both).
    """
    sources, targets = read_lines(source), read_lines(target)
    for paired, (left, right) in enumerate(zip_longest(sources, targets)):
        if left is None or right is None:
            # One line of the longer file has been read.
            longer = paired + 1 + sum(1 for _ in (targets if left is None else sources))
            counts = (paired, longer) if left is None else (longer, paired)
            raise RegardError(
                f"{source} has {counts[0]:,} lines but {target} has {counts[1]:,}: "
                "line n of one must translate line n of the other; align the files"
            )
        yield left, right


def read_tsv(path: Path) -> Iterator[tuple[str, str]]:
    """Stream the pairs of a file with two columns, source TAB target.

    Raises:
        RegardError: as ``read_lines``; or a line does not have exactly one tab (file and line).
    """
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            found = "no tab" if len(columns) == 1 else f"{len(columns)} columns"
            raise RegardError(
                f"{path}, line {number}: {found}; expected two columns, source TAB target; correct the line"
            )
        yield columns[0], columns[1]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
