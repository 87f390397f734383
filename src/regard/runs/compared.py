"""One run as it is compared: what its folder tells, whatever is missing there or cannot be read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import yaml
from jaxtyping import Float

from regard.errors import RegardError
from regard.observe.maps import SentenceMaps, load_maps
from regard.runs.folder import RunFolder
from regard.training.metrics_file import read_rows


class Curve(NamedTuple):
    """A metric over the run: its value at each step where it was measured. Values may be NaN or infinite."""

    steps: Float[np.ndarray, "points"]
    values: Float[np.ndarray, "points"]


@dataclass(frozen=True)
class ComparedRun:
    """A run, as far as it has come.

    config: by dotted key; a list is one value. overrides: the keys that the user set.
    curves: every column of metrics.csv. seconds: from its first start to its end, or to now.
    samples: those of the latest step, as samples.jsonl has them. notes: what could not be read.
    """

    folder: RunFolder
    name: str
    state: str
    why: str
    config: dict[str, Any]
    overrides: list[str]
    curves: dict[str, Curve]
    step: int | None
    seconds: float | None
    tokens_per_second: float | None
    parameters: int | None
    samples: list[dict[str, Any]]
    maps: list[SentenceMaps]
    maps_step: int | None
    notes: list[str] = field(default_factory=list)

    @property
    def final(self) -> dict[str, float]:
        """The latest value of each metric."""
        return {name: float(curve.values[-1]) for name, curve in self.curves.items()}

    def best(self, metric: str, mode: str) -> tuple[float, int] | None:
        """The smallest or largest finite value of ``metric`` and its step; None if it has none."""
        curve = self.curves.get(metric)
        if curve is None or not np.isfinite(curve.values).any():
            return None
        worst = math.inf if mode == "min" else -math.inf
        values = np.where(np.isfinite(curve.values), curve.values, worst)
        at = int(values.argmin() if mode == "min" else values.argmax())
        return float(values[at]), int(curve.steps[at])


def read_run(folder: RunFolder, name: str) -> ComparedRun:
    """Read ``folder``; only config.yaml and status.json must be there.

    Raises RegardError, naming the file, if one of these two cannot be read.
    """
    config, status = _config(folder), _status(folder)
    notes: list[str] = []
    curves = _curves(folder, notes)
    summary = _summary(folder, notes)
    maps, maps_step = _maps(folder, notes)
    speed = summary.get("tokens_per_second")
    if speed is None and "train/tokens_per_second" in curves:
        speed = float(np.median(curves["train/tokens_per_second"].values))
    reached = [curve.steps[-1] for curve in curves.values()]
    if isinstance(status.get("step"), int):
        reached.append(status["step"])
    return ComparedRun(
        folder=folder,
        name=name,
        state=str(status["status"]),
        why=str(status.get("why", "")),
        config=flat(config),
        overrides=[each.partition("=")[0].lstrip("+~") for each in _overrides(folder)],
        curves=curves,
        step=int(max(reached)) if reached else None,
        seconds=_seconds(status),
        tokens_per_second=speed,
        parameters=summary.get("parameters"),
        samples=_samples(folder, notes),
        maps=maps,
        maps_step=maps_step,
        notes=notes,
    )


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _config(folder: RunFolder) -> dict[str, Any]:
    try:
        config = folder.config()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegardError(f"{folder.path / 'config.yaml'}: cannot be read ({_line(error)})") from error
    if not isinstance(config, dict):
        raise RegardError(f"{folder.path / 'config.yaml'}: holds no keys and values; not a run's configuration")
    return config


def _status(folder: RunFolder) -> dict[str, Any]:
    path = folder.path / "status.json"
    try:
        with suppress(KeyError):
            return folder.status()
        return {"status": json.loads(path.read_text(encoding="utf-8"))["status"]}  # of older code: whether it lives?
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegardError(f"{path}: cannot be read ({_line(error)}); not the status of a run") from error


def _overrides(folder: RunFolder) -> list[str]:
    try:
        return [str(each) for each in folder.overrides()]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError):
        return []  # they say which of two equal keys to name, and no more


def _curves(folder: RunFolder, notes: list[str]) -> dict[str, Curve]:
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


def _summary(folder: RunFolder, notes: list[str]) -> dict[str, Any]:
    try:
        summary = json.loads((folder.path / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}  # not finished
    except (OSError, ValueError) as error:
        notes.append(f"summary.json: cannot be read ({_line(error)})")
        return {}
    numbers = summary if isinstance(summary, dict) else {}
    return {key: value for key, value in numbers.items() if isinstance(value, int | float)}


def _samples(folder: RunFolder, notes: list[str]) -> list[dict[str, Any]]:
    """The sentences of the latest step; a half-written last line is left out."""
    try:
        text = (folder.path / "samples.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"samples.jsonl: cannot be read ({_line(error)})")
        return []
    latest: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines() if text.endswith("\n") else text.splitlines()[:-1], start=1):
        try:
            sample = json.loads(line)
            step = int(sample["step"])
        except (ValueError, KeyError, TypeError):
            notes.append(f"samples.jsonl, line {number}: no sample, left out")
            continue
        if latest and latest[-1]["step"] != step:
            latest = []
        latest.append(sample)
    return latest


def _maps(folder: RunFolder, notes: list[str]) -> tuple[list[SentenceMaps], int | None]:
    """The attention maps of the latest step whose file can be read, and that step."""
    for path in sorted(folder.attention.glob("step-*.npz"), reverse=True):
        try:
            return load_maps(path), int(path.stem.removeprefix("step-"))
        except (RegardError, ValueError) as error:
            notes.append(f"attention/{path.name}: left out ({_line(error)})")
    return [], None


def _seconds(status: Mapping[str, Any]) -> float | None:
    try:
        end = datetime.now(UTC) if status["status"] == "running" else datetime.fromisoformat(status["time"])
        return (end - datetime.fromisoformat(status["began"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
