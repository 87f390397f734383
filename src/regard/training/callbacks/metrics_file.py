"""metrics.csv: the scalars of a run, one row per step."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from regard.files import replacing

Row = dict[str, float]


class MetricsFile:
    """A table that rows are appended to. Empty cells are values that were not measured at that step.

    Opening the file does not change it. Each row is flushed to the disk. Values for the step of the last row are added
    to that row. To add a column or drop rows, the file is rewritten and replaced atomically.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = self._rows()
        self.columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
        self._last = rows[-1] if rows else {}
        # Offset in bytes of the last row. None before the first write, which rewrites the file: its last line may be
        # incomplete.
        self._last_offset: int | None = None

    def write(self, step: int, values: Row) -> None:
        """Add ``values`` to the row of ``step``, which is the last row or a new one."""
        row = {"step": str(step)} | {name: repr(float(value)) for name, value in values.items()}
        same = self._last.get("step") == row["step"]
        new = [name for name in row if name not in self.columns]
        if new or self._last_offset is None or not self.path.exists():
            rows = self._rows()
            self.columns += new
            self._rewrite([*rows[: len(rows) - same], (self._last if same else {}) | row])
            return
        if same:
            row = self._last | row
        with self.path.open("r+", newline="", encoding="utf-8") as file:
            if same:
                file.seek(self._last_offset)
            else:
                self._last_offset = file.seek(0, os.SEEK_END)
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._last = row

    def drop_after(self, step: int) -> None:
        """Remove the rows after ``step``, from which training resumes."""
        if self.path.exists():
            self._rewrite([row for row in read_rows(self.path) if int(row["step"]) <= step])

    def _rows(self) -> list[dict[str, str]]:
        return read_rows(self.path) if self.path.exists() else []

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        with replacing(self.path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[:-1])
            self._last_offset = file.tell()
            writer.writerows(rows[-1:])
        self._last = rows[-1] if rows else {}


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the complete rows of a metrics.csv, without empty cells and without an incomplete last line."""
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [{name: value for name, value in row.items() if value} for row in csv.DictReader(lines)]


TAIL_BYTES = 1 << 16
"""Bytes at the end of a metrics.csv in which `latest_values` looks."""


def latest_values(path: Path, names: Collection[str]) -> Row:
    """Return the latest value of each of ``names`` near the end of a metrics.csv; no values if there is no file.

    Cells that are not numbers are skipped.
    """
    try:
        with path.open("rb") as file:
            header = file.readline().decode(errors="replace")
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(header.encode()), size - TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except FileNotFoundError:
        return {}
    places = {name: place for place, name in enumerate(next(csv.reader([header]), [])) if name in names}
    values: Row = {}
    for line in reversed(tail[: tail.rfind("\n") + 1].split("\n")):
        row = line.rstrip("\r").split(",")
        for name in places.keys() - values.keys():
            if len(row) > places[name]:
                with suppress(ValueError):
                    values[name] = float(row[places[name]])
        if len(values) == len(places):
            break
    return values
