"""metrics.csv: the truth about a run's scalars, one row a step."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from regard.files import replacing

Row = dict[str, float]


class MetricsFile:
    """A table that grows by whole rows; empty cells are values that were not measured at that step.

    Opening it changes nothing. It is written through to the disk row by row. What comes for the step
    of the last row joins that row. A new column, or a row to be dropped, makes it a new file beside
    the old one, which it then replaces.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = self._rows()
        self.columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
        self._last = rows[-1] if rows else {}
        # In bytes. None before the file is first changed: then it is written anew, whatever its last line is.
        self._rows_before_last: int | None = None

    def write(self, step: int, values: Row) -> None:
        """Add ``values`` to the row of ``step``, which is the last one or a new one."""
        row = {"step": str(step)} | {name: repr(float(value)) for name, value in values.items()}
        same = self._last.get("step") == row["step"]
        new = [name for name in row if name not in self.columns]
        if new or self._rows_before_last is None or not self.path.exists():
            rows = self._rows()
            self.columns += new
            self._rewrite([*rows[: len(rows) - same], (self._last if same else {}) | row])
            return
        if same:
            row = self._last | row
        with self.path.open("r+", newline="", encoding="utf-8") as file:
            if same:
                file.seek(self._rows_before_last)
            else:
                self._rows_before_last = file.seek(0, os.SEEK_END)
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._last = row

    def drop_after(self, step: int) -> None:
        """Forget rows after ``step``: training goes on from there."""
        if self.path.exists():
            self._rewrite([row for row in read_rows(self.path) if int(row["step"]) <= step])

    def _rows(self) -> list[dict[str, str]]:
        return read_rows(self.path) if self.path.exists() else []

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        with replacing(self.path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[:-1])
            self._rows_before_last = file.tell()
            writer.writerows(rows[-1:])
        self._last = rows[-1] if rows else {}


def read_rows(path: Path) -> list[dict[str, str]]:
    """The complete rows of a metrics.csv, measured values only; a half-written last line is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [{name: value for name, value in row.items() if value} for row in csv.DictReader(lines)]


TAIL_BYTES = 1 << 16


def latest_values(path: Path, names: Collection[str]) -> Row:
    """The latest value of each of ``names`` that was measured near the end of a metrics.csv; none if there is no file.

    Cells that are not numbers are passed over.
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
