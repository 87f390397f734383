"""One run as it is compared: what its folder tells, whatever is missing there or cannot be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regard.observe.maps import SentenceMaps
from regard.runs.folder import RunFolder
from regard.runs.lenient import (
    Curve,
    read_curves,
    read_maps,
    read_samples,
    read_summary,
)
from regard.runs.status import seconds
from regard.runs.sweep import known_overrides


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
    config, status = folder.config(), folder.status()
    notes: list[str] = []
    curves = read_curves(folder, notes)
    summary = read_summary(folder, notes)
    maps, maps_step = read_maps(folder, notes)
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
        overrides=[each.partition("=")[0].lstrip("+~") for each in known_overrides(folder)],
        curves=curves,
        step=int(max(reached)) if reached else None,
        seconds=seconds(status),
        tokens_per_second=speed,
        parameters=summary.get("parameters"),
        samples=read_samples(folder, notes),
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
