"""Named columns out of CSV, TSV, JSON Lines and Parquet files, and saying exactly which row is wrong."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.data.corpus import Record
from regard.data.extra import load, need
from regard.data.text import read_lines, require_file
from regard.errors import RegardError, UsageError

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_PARQUET_ROWS = 1024
_PARQUET = "reading Parquet files"


def check_format(path: Path) -> None:
    """Raise a UsageError unless the name says how to read the file, and what reads it is installed."""
    suffix = _suffix(path)
    if suffix not in FORMATS or path.name.endswith(".parquet.gz"):
        raise UsageError(
            f"{path}: cannot tell the format by its name; expected {', '.join(FORMATS)}, all but Parquet also with .gz"
        )
    if suffix == ".parquet":
        need("pyarrow", _PARQUET)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The named columns of every row of a table; streams.

    CSV follows RFC 4180; a TSV has no quotes. Both begin with a line of names. In JSON and Parquet a dotted name,
    ``translation.en``, looks into an object. What is null is empty text.

    Raises:
        RegardError: a damaged file; a row that does not parse, is without a column or has no text in it (file, line,
            the columns there are).
    """
    check_format(path)
    suffix = _suffix(path)
    if suffix == ".parquet":
        return _read_parquet(path, columns)
    if suffix in (".csv", ".tsv"):
        return _read_separated(path, columns, tabs=suffix == ".tsv")
    return _read_json(path, columns)


def pick(row: Mapping[str, Any], columns: Sequence[str], where: str) -> Record:
    """The texts of the named columns of one row; ``where`` it stands is for messages.

    Raises:
        RegardError: there is no such column, or something other than text in it.
    """
    return tuple(_text(row, column, where) for column in columns)


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    # A column may have a dot in its very name.
    value: Any = row
    for name in [column] if column in row else column.split("."):
        if not isinstance(value, Mapping) or name not in value:
            there = ", ".join(_names(row))
            raise RegardError(f"{where}: no column {column}; there are {there}; name one of them in the configuration")
        value = value[name]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RegardError(f"{where}: column {column} holds {type(value).__name__}, text was expected; choose another")
    return value


def _names(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _read_separated(path: Path, columns: Sequence[str], tabs: bool) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # a document may be long
    lines = (f"{line}\n" for line in read_lines(path))
    if tabs:
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        for column in columns:
            if column not in header:
                raise RegardError(
                    f"{path}, line 1: no column {column}; there are {', '.join(header) or 'none'}; "
                    "the first line must name the columns"
                )
        places = [header.index(column) for column in columns]
        for row in reader:
            if not row:  # an empty line
                continue
            if len(row) != len(header):
                raise RegardError(
                    f"{path}, line {reader.line_num}: {len(row)} columns, expected {len(header)} as in line 1 "
                    f"({', '.join(header)}); correct the line"
                )
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise RegardError(f"{path}, line {reader.line_num}: not CSV ({error}); correct the line") from error


def _read_json(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            reason = str(error).partition(": line ")[0]
            raise RegardError(
                f"{path}, line {number}: not JSON ({reason}); expected one object a line; correct the line"
            ) from error
        if not isinstance(row, dict):
            raise RegardError(
                f"{path}, line {number}: a JSON {type(row).__name__}, expected an object with {', '.join(columns)}; "
                "correct the line"
            )
        yield pick(row, columns, f"{path}, line {number}")


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    require_file(path)
    parquet, arrow = load("pyarrow.parquet", _PARQUET), load("pyarrow", _PARQUET)
    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(_PARQUET_ROWS, columns=_needed(file.schema_arrow.names, columns)):
                for row in batch.to_pylist():
                    number += 1
                    yield pick(row, columns, f"{path}, row {number}")
    except (arrow.ArrowInvalid, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise RegardError(f"{path} cannot be read as Parquet ({reason}); fetch or write it again") from error


def _needed(there: Sequence[str], columns: Sequence[str]) -> list[str] | None:
    """The columns of a file to read; None for all, if one is not there: the complaint will name what is."""
    needed = [next((name for name in (column, column.partition(".")[0]) if name in there), None) for column in columns]
    return None if None in needed else list(dict.fromkeys(name for name in needed if name))


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix
