"""Reading named columns of CSV, TSV, JSON Lines and Parquet files. Errors name the row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from regard.data.corpora.corpus import Record
from regard.data.corpora.extra import import_optional, require
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
    """Return the format of a table: ``given``, or inferred from its name.

    Raises:
        UsageError: the name has no known ending; the package that reads the format is not installed.
    """
    found = given or _ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix)
    if found is None or (found == "parquet" and path.suffix == ".gz"):
        raise UsageError(
            f"{path}: unknown format; expected a name in {', '.join(_ENDINGS)} (all but Parquet also with .gz), "
            f"or data.format={' or '.join(get_args(Format))}"
        )
    if found == "parquet":
        require("pyarrow", _PARQUET)
    return found


def read_rows(path: Path, columns: Sequence[str], given: Format | None = None) -> Iterator[Record]:
    """Stream the named columns of every row of a table.

    CSV and TSV are read by `read_separated`. In JSON and Parquet, a dotted name such as ``translation.en`` is a path
    into objects. Null is empty text.

    Args:
        given: the format; None to infer it from the name.

    Raises:
        RegardError: the file is damaged; a row cannot be parsed, lacks a column, has two columns of that name, or has
            something other than text in it (names the file, the line and the existing columns).
    """
    found = format_of(path, given)
    if found == "parquet":
        return _read_parquet(path, columns)
    if found == "jsonl":
        return _read_json(path, columns)
    return read_separated(path, columns, TABS if found == "tsv" else COMMAS)


def pick(row: Mapping[str, Any], columns: Sequence[str], where: str) -> Record:
    """Return the texts of the named columns of one row; ``where`` is its place, for messages.

    Raises:
        RegardError: a column does not exist, or is not text.
    """
    return tuple(_text(row, column, where) for column in columns)


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    # The name of a column may contain a dot.
    value: Any = row
    for name in [column] if column in row else column.split("."):
        if not isinstance(value, Mapping) or name not in value:
            there = ", ".join(_names(row))
            raise RegardError(f"{where}: no column {column}; the columns are {there}; choose one of them")
        value = value[name]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RegardError(f"{where}: column {column} is {type(value).__name__}, expected text; choose another")
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
            reason = str(error).partition(": line ")[0]  # the JSON is always on its line 1
            raise RegardError(
                f"{path}, line {number}: not JSON ({reason}); expected one object per line; correct the line"
            ) from error
        if not isinstance(row, dict):
            raise RegardError(
                f"{path}, line {number}: a JSON {type(row).__name__}, expected an object with {', '.join(columns)}; "
                "correct the line"
            )
        yield pick(row, columns, f"{path}, line {number}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dict. Raises ValueError for a repeated key, of which Python would use the last."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two keys are named {next(name for name in names if names.count(name) > 1)}")
    return row


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    require_file(path)
    parquet, arrow = import_optional("pyarrow.parquet", _PARQUET), import_optional("pyarrow", _PARQUET)
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
        raise RegardError(f"{path} cannot be read as Parquet ({reason}); download or write it again") from error


def _needed(there: Sequence[str], columns: Sequence[str]) -> list[str] | None:
    """Return the columns of a file to read. None for all if one is missing: the error names the existing ones."""
    needed = [next((name for name in (column, column.partition(".")[0]) if name in there), None) for column in columns]
    return None if None in needed else list(dict.fromkeys(name for name in needed if name))
