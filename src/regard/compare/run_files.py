"""Tolerant readers for the files of a run folder: problems become notes."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic_core import from_json

from regard.errors import RegardError, one_line
from regard.observe.draw.contact_sheet import read_sheet
from regard.observe.draw.packing import pack_image
from regard.observe.record.maps import SentenceMaps, load_maps, split_name
from regard.runs.folder import RunFolder

MOST_DRAWINGS = 12
"""Maximum number of images of a run."""


class Curve(NamedTuple):
    """The values of a metric and their steps. Values may be NaN or infinite."""

    steps: Float[np.ndarray, "points"]
    values: Float[np.ndarray, "points"]


def read_curves(folder: RunFolder, notes: list[str]) -> dict[str, Curve]:
    """Read the columns of metrics.csv; cells that are not numbers are skipped with a note.

    An incomplete last line is ignored.
    """
    try:
        text = folder.metrics.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"metrics.csv: cannot be read ({one_line(error)})")
        return {}
    head, _, body = text[: text.rfind("\n") + 1].replace("\r", "").partition("\n")
    header, (rows, invalid) = next(csv.reader([head]), []), _rows(body)
    invalid += sum(len(row) > len(header) for row in rows)
    columns = dict(zip(header, zip_longest(*rows), strict=False))
    steps = columns.pop("step", (None,) * len(rows))
    if without := sum(type(step) is not int for step in steps):
        invalid += without
        columns = {
            name: tuple(cell for cell, step in zip(cells, steps, strict=True) if type(step) is int)
            for name, cells in columns.items()
        }
    at = np.array([step for step in steps if type(step) is int], float)
    curves: dict[str, Curve] = {}
    for name, cells in columns.items():
        measured = [place for place, cell in enumerate(cells) if cell is not None] if None in cells else None
        if measured is None:
            curves[name] = Curve(at, np.array(cells, float))
        elif measured:
            curves[name] = Curve(at[measured], np.array([cells[place] for place in measured], float))
    if invalid:
        notes.append(f"metrics.csv: skipped {invalid} rows or cells that are not numbers")
    return curves


def _rows(body: str) -> tuple[list[list[float | None]], int]:
    """Return the cells of each line as numbers (None if they are not), and the number of invalid cells.

    Empty cells are valid, and the first cell of a line, the step, is not counted. The lines are parsed as JSON, in a
    third of the time, unless a cell is not a number.
    """
    first, _, _ = body.partition("\n")
    empty = len(first) - len(first.rstrip(","))  # mostly, the same columns are empty in every line
    as_json = body.strip("\n").replace("nan", "NaN").replace("inf", "Infinity") if "n" in body else body.strip("\n")
    as_json = as_json.replace(f"{',' * empty}\n", f"{',null' * empty}\n")
    for _ in range(2):  # replace() does not match overlapping pairs of commas
        as_json = as_json.replace(",,", ",null,")
    as_json = as_json.replace("\n", "],[")
    try:
        if any(sign in body for sign in '"[{us'):  # other values of JSON
            raise ValueError("not a table of numbers")
        return [row for row in from_json(f"[[{as_json}]]".replace(",]", ",null]")) if row], 0
    except ValueError:
        cells = [line.split(",") for line in body.split("\n") if line]
        rows = [list(map(_number, row)) for row in cells]
        return rows, sum(row[1:].count(None) for row in rows) - sum(row[1:].count("") for row in cells)


def _number(cell: str) -> float | None:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(cell)
    return None


def read_summary(folder: RunFolder, notes: list[str]) -> dict[str, Any]:
    """Read the numbers of summary.json by name; empty before the run has finished."""
    try:
        summary = json.loads((folder.path / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        notes.append(f"summary.json: cannot be read ({one_line(error)})")
        return {}
    numbers = summary if isinstance(summary, dict) else {}
    return {key: value for key, value in numbers.items() if isinstance(value, int | float)}


def read_samples(folder: RunFolder, notes: list[str]) -> list[dict[str, Any]]:
    """Read the samples of the latest step; an incomplete last line is ignored."""
    try:
        text = (folder.path / "samples.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"samples.jsonl: cannot be read ({one_line(error)})")
        return []
    latest: list[dict[str, Any]] = []
    invalid = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):  # sentences may contain other line separators
        try:
            sample = json.loads(line)
            step = int(sample["step"])
        except (ValueError, KeyError, TypeError):
            invalid.append(number)
            continue
        if latest and latest[-1]["step"] != step:
            latest = []
        latest.append(sample)
    if invalid:
        notes.append(f"samples.jsonl, line {invalid[0]}: not a sample ({len(invalid)} such lines are skipped)")
    return latest


def read_drawings(folder: RunFolder, notes: list[str]) -> list[dict[str, Any]]:
    """Read the first images of the latest contact sheet as samples with an ``image``, a data URL of a PNG."""
    sheets = sorted((folder.path / "samples").glob("step-*.png"))
    if not sheets:
        return []
    try:
        step, drawn = int(sheets[-1].stem.removeprefix("step-")), read_sheet(sheets[-1])
    except (RegardError, ValueError) as error:
        notes.append(f"samples/{sheets[-1].name}: skipped ({one_line(error)})")
        return []
    return [
        {"step": step, "source": caption, "reference": "", "output": "", "image": pack_image(pixels)}
        for caption, pixels in drawn[:MOST_DRAWINGS]
    ]


def read_maps(folder: RunFolder, notes: list[str]) -> tuple[list[SentenceMaps], int | None]:
    """Read the maps of the latest step whose file is readable, one per sentence (`last_map`), and the step."""
    for path in sorted(folder.attention.glob("step-*.npz"), key=lambda path: (len(path.stem), path.stem), reverse=True):
        try:
            return load_maps(path, last_map), int(path.stem.removeprefix("step-"))
        except (RegardError, ValueError) as error:
            notes.append(f"attention/{path.name}: skipped ({one_line(error)})")
    return [], None


def last_map(names: Sequence[str]) -> Sequence[str]:
    """Return the map of the last layer: cross-attention, or decoder self-attention without cross-attention.

    All maps of a hundred runs would not fit in memory.
    """
    cross = [name for name in names if name.endswith(".cross")]
    candidates = cross or [name for name in names if name.startswith("decoder.")]
    return sorted(candidates, key=lambda name: split_name(name)[1])[-1:]
