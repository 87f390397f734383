"""Named columns out of CSV, TSV, JSON Lines and Parquet files, and saying exactly which row is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from regard.data.corpora.corpus import Record
from regard.data.corpora.extra import load, need
from regard.data.corpora.reading.lines import read_lines, require_file
from regard.data.corpora.reading.separated import COMMAS, TABS, read_separated
from regard.errors import RegardError, UsageError

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_PARQUET_ROWS = 1024
_PARQUET = "reading Parquet files"


def format_of(path: Path, given: Format | None = None) -> Format:
    """The format of a table: the ``given`` one, or the one that its name tells.

    Raises:
        UsageError: the name does not tell it; the package that reads it is not installed.
    """
    found = given or _ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix)
    if found is None or (found == "parquet" and path.suffix == ".gz"):
        raise UsageError(
            f"{path}: cannot tell the format by its name; expected {', '.join(_ENDINGS)}, all but Parquet also with "
            f".gz; or give data.format={' or '.join(get_args(Format))}"
        )
    if found == "parquet":
        need("pyarrow", _PARQUET)
    return found


def read_rows(path: Path, columns: Sequence[str], given: Format | None = None) -> Iterator[Record]:
    """The named columns of every row of a table; streams.

    CSV and TSV are read by `read_separated`. In JSON and Parquet a dotted name, ``translation.en``, looks into an
    object. What is null is empty text.

    Args:
        given: the format; None for the one that the name tells.

    Raises:
        RegardError: a damaged file; a row that does not parse, has no such column, has two of that name, or holds
            something other than text in it (file, line, the columns there are).
    """
    found = format_of(path, given)
    if found == "parquet":
        return _read_parquet(path, columns)
    if found == "jsonl":
        return _read_json(path, columns)
    return read_separated(path, columns, TABS if found == "tsv" else COMMAS)


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


def _read_json(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except ValueError as error:
            reason = str(error).partition(": line ")[0]  # that is always line 1
            raise RegardError(
                f"{path}, line {number}: not JSON ({reason}); expected one object a line; correct the line"
            ) from error
        if not isinstance(row, dict):
            raise RegardError(
                f"{path}, line {number}: a JSON {type(row).__name__}, expected an object with {', '.join(columns)}; "
                "correct the line"
            )
        yield pick(row, columns, f"{path}, line {number}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError for two keys of one name, of which Python would keep the last."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two keys are named {next(name for name in names if names.count(name) > 1)}")
    return row


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    require_file(path)
    parquet, arrow = load("pyarrow.parquet", _PARQUET), load("pyarrow", _PARQUET)
    try:
        with parquet.ParquetFile(path) as file:
            for name in {column.partition(".")[0] for column in columns} | {*columns}:
                if (times := file.schema_arrow.names.count(name)) > 1:
                    raise RegardError(f"{path}: {times} columns are named {name}; rename all but one")
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
