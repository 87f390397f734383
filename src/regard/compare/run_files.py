"""The files of a run folder, read as far as they can be: what is wrong with one is a note, and the others count."""

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
from regard.observe.record.maps import SentenceMaps, load_maps, split_name
from regard.runs.folder import RunFolder


class Curve(NamedTuple):
    """A metric over the run: its value at each step where it was measured. Values may be NaN or infinite."""

    steps: Float[np.ndarray, "points"]
    values: Float[np.ndarray, "points"]


def read_curves(folder: RunFolder, notes: list[str]) -> dict[str, Curve]:
    """The columns of metrics.csv; cells that are not numbers are left out, and noted. A last half line is ignored."""
    try:
        text = folder.metrics.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"metrics.csv: cannot be read ({one_line(error)})")
        return {}
    head, _, body = text[: text.rfind("\n") + 1].replace("\r", "").partition("\n")
    header, (rows, odd) = next(csv.reader([head]), []), _rows(body)
    odd += sum(len(row) > len(header) for row in rows)
    columns = dict(zip(header, zip_longest(*rows), strict=False))
    steps = columns.pop("step", (None,) * len(rows))
    if without := sum(type(step) is not int for step in steps):
        odd += without
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
    if odd:
        notes.append(f"metrics.csv: {odd} rows or cells that are no numbers, left out")
    return curves


def _rows(body: str) -> tuple[list[list[float | None]], int]:
    """The cells of each line as numbers, None for what is not one; and how many of those hold something else.

    The first of a line, its step, is not counted.

    As JSON they are read in a third of the time, unless one is not a number.
    """
    first, _, _ = body.partition("\n")
    empty = len(first) - len(first.rstrip(","))  # the same columns are mostly empty
    as_json = body.strip("\n").replace("nan", "NaN").replace("inf", "Infinity") if "n" in body else body.strip("\n")
    as_json = as_json.replace(f"{',' * empty}\n", f"{',null' * empty}\n")
    for _ in range(2):  # of three commas the middle one belongs to two pairs
        as_json = as_json.replace(",,", ",null,")
    as_json = as_json.replace("\n", "],[")
    try:
        if any(sign in body for sign in '"[{us'):  # of what else JSON knows
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
    """The numbers of summary.json by name; none before the run has finished."""
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
    """The sentences of the latest step; a half-written last line is left out."""
    try:
        text = (folder.path / "samples.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"samples.jsonl: cannot be read ({one_line(error)})")
        return []
    latest: list[dict[str, Any]] = []
    odd = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):  # other ends of lines may stand in a sentence
        try:
            sample = json.loads(line)
            step = int(sample["step"])
        except (ValueError, KeyError, TypeError):
            odd.append(number)
            continue
        if latest and latest[-1]["step"] != step:
            latest = []
        latest.append(sample)
    if odd:
        notes.append(f"samples.jsonl, line {odd[0]}: no sample ({len(odd)} such lines are left out)")
    return latest


def read_maps(folder: RunFolder, notes: list[str]) -> tuple[list[SentenceMaps], int | None]:
    """The attention maps of the latest step whose file can be read, one a sentence (`last_map`), and that step."""
    for path in sorted(folder.attention.glob("step-*.npz"), key=lambda path: (len(path.stem), path.stem), reverse=True):
        try:
            return load_maps(path, last_map), int(path.stem.removeprefix("step-"))
        except (RegardError, ValueError) as error:
            notes.append(f"attention/{path.name}: left out ({one_line(error)})")
    return [], None


def last_map(names: Sequence[str]) -> Sequence[str]:
    """Of the maps of a sentence one alone: all maps of a hundred runs would not fit in memory.

    It is that of the last layer's cross-attention, or decoder self-attention where there is no cross-attention.
    """
    cross = [name for name in names if name.endswith(".cross")]
    candidates = cross or [name for name in names if name.startswith("decoder.")]
    return sorted(candidates, key=lambda name: split_name(name)[1])[-1:]
