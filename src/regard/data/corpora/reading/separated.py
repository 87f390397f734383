"""Reading CSV (RFC 4180) and TSV, with the line numbers of each row."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from regard.data.corpora.corpus import Record
from regard.data.corpora.reading.lines import read_lines
from regard.errors import RegardError

_CARRIAGE_RETURN = "\udc0d"
"""Replaces a carriage return in a field, at which Python's csv module ends a row. It never occurs in UTF-8."""

TABS: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
COMMAS: dict[str, Any] = {"delimiter": ","}


def read_separated(path: Path, columns: Sequence[str], dialect: dict[str, Any]) -> Iterator[Record]:
    """Stream the named columns of every row.

    The first line has the names of the columns, without the spaces around them. If spaces follow its commas, spaces
    after commas are skipped in every line. A carriage return in a field is text.

    Args:
        dialect: ``COMMAS``, where fields may be quoted, or ``TABS``, where they are not.

    Raises:
        RegardError: a row cannot be parsed or has too few or too many fields; a column does not exist, or exists twice
            (names file and line).
    """
    rows = _Rows(path, dialect)
    header, places = rows.names, []
    for column in columns:
        found = [place for place, name in enumerate(header) if name == column.strip()]
        if not found:
            raise RegardError(
                f"{path}, line 1: no column {column}; the columns are {_listed(header)}; "
                "the first line must name the columns"
            )
        if len(found) > 1:
            raise RegardError(f"{path}, line 1: {len(found)} columns are named {column}; rename all but one")
        places += found
    for row in rows:
        if len(row) != len(header):
            raise RegardError(
                f"{path}, {rows.where()}: {len(row)} columns, expected {len(header)} as in line 1 ({_listed(header)}); "
                "correct the line"
            )
        yield tuple(row[place].replace(_CARRIAGE_RETURN, "\r") for place in places)


class _Rows:
    """The rows of a file without the first one, whose fields are ``names``. Empty lines are skipped."""

    def __init__(self, path: Path, dialect: dict[str, Any]) -> None:
        csv.field_size_limit(sys.maxsize)  # a document may be long
        self.path, self.dialect = path, dialect
        self.begin, self.end = 1, 0  # first and last line of the last row that was read
        self._lines = self._numbered()
        first = self._next(csv.reader(self._lines, strict=True, **dialect)) or []
        if any(_CARRIAGE_RETURN in name for name in first):
            raise RegardError(f"{path}, line 1: the lines end with carriage returns only; convert them to newlines")
        self.names = [name.strip() for name in first]
        spaced = any(name.startswith(" ") for name in first)
        if spaced and "quoting" not in dialect:  # names may be quoted after the spaces
            again = self._text(self.begin, self.end)
            self.names = [name.strip() for name in next(csv.reader(again, skipinitialspace=True), [])]
        self._reader = csv.reader(self._lines, strict=True, skipinitialspace=spaced, **dialect)

    def __iter__(self) -> Iterator[list[str]]:
        while (row := self._next(self._reader)) is not None:
            if row:
                yield row

    def where(self) -> str:
        """Return the lines of the last row that was read."""
        return f"line {self.begin}" if self.begin == self.end else f"lines {self.begin} to {self.end}"

    def _next(self, reader: Iterator[list[str]]) -> list[str] | None:
        self.begin = self.end + 1
        try:
            return next(reader, None)
        except csv.Error as error:
            if "unexpected end" in str(error):
                reason, line = "a quote is not closed", self._unclosed()
            else:
                reason, line = str(error), self.begin
            raise RegardError(f"{self.path}, line {line}: not CSV ({reason}); correct the line") from error

    def _unclosed(self) -> int:
        """Return the line of the quote that is not closed: its field is the last of the file."""
        row = next(csv.reader(self._text(self.begin, self.end), **self.dialect))
        return self.end + 1 - row[-1].count("\n")

    def _numbered(self) -> Iterator[str]:
        for number, line in enumerate(self._text(1, None), start=1):
            self.end = number
            yield line

    def _text(self, begin: int, end: int | None) -> Iterator[str]:
        return (f"{line}\n".replace("\r", _CARRIAGE_RETURN) for line in islice(read_lines(self.path), begin - 1, end))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
