"""The files of a run folder, read as far as they can be: what is wrong with one is a note, and the others count."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from regard.errors import RegardError
from regard.observe.maps import SentenceMaps, load_maps, split_name
from regard.runs.folder import RunFolder
from regard.training.metrics_file import read_rows


class Curve(NamedTuple):
    """A metric over the run: its value at each step where it was measured. Values may be NaN or infinite."""

    steps: Float[np.ndarray, "points"]
    values: Float[np.ndarray, "points"]


def read_curves(folder: RunFolder, notes: list[str]) -> dict[str, Curve]:
    """The columns of metrics.csv; cells that are no numbers are left out, and noted."""
    try:
        rows = read_rows(folder.metrics)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"metrics.csv: cannot be read ({_line(error)})")
        return {}
    points: dict[str, tuple[list[float], list[float]]] = {}
    odd = 0
    for row in rows:
        try:
            step = float(int(row["step"]))
        except (KeyError, TypeError, ValueError):
            odd += 1
            continue
        for name, text in row.items():
            if name == "step":
                continue
            try:
                value = float(text)
            except (TypeError, ValueError):
                odd += 1
                continue
            steps, values = points.setdefault(name, ([], []))
            steps.append(step)
            values.append(value)
    if odd:
        notes.append(f"metrics.csv: {odd} rows or cells that are no numbers, left out")
    return {name: Curve(np.array(steps), np.array(values)) for name, (steps, values) in points.items()}


def read_summary(folder: RunFolder, notes: list[str]) -> dict[str, Any]:
    """The numbers of summary.json by name; none before the run has finished."""
    try:
        summary = json.loads((folder.path / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        notes.append(f"summary.json: cannot be read ({_line(error)})")
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
        notes.append(f"samples.jsonl: cannot be read ({_line(error)})")
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
            return [last_map(maps) for maps in load_maps(path)], int(path.stem.removeprefix("step-"))
        except (RegardError, ValueError) as error:
            notes.append(f"attention/{path.name}: left out ({_line(error)})")
    return [], None


def last_map(sentence: SentenceMaps) -> SentenceMaps:
    """The sentence with one map alone: all maps of a hundred runs would not fit in memory.

    It is that of the last layer's cross-attention, or decoder self-attention where there is no cross-attention.
    """
    names = [name for name in sentence.maps if name.endswith(".cross")]
    names = names or [name for name in sentence.maps if name.startswith("decoder.")]
    last = sorted(names, key=lambda name: split_name(name)[1])[-1:]
    return replace(sentence, maps={name: sentence.maps[name] for name in last})


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
