"""One run as it is compared: what its folder tells, whatever is missing there or cannot be read."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from multiprocessing import get_all_start_methods, get_context
from typing import Any

import numpy as np
import yaml

from regard.compare.read import (
    Curve,
    read_curves,
    read_maps,
    read_samples,
    read_summary,
)
from regard.config.flatten import flatten
from regard.errors import RegardError
from regard.observe.record.maps import SentenceMaps
from regard.runs.find import successes, try_read
from regard.runs.folder import RunFolder
from regard.runs.parse import load_yaml, parse_file
from regard.runs.status.content import elapsed_seconds
from regard.runs.sweep import readable_overrides

SECTIONS = (re.compile(r"^(?=[^\s#-])", re.MULTILINE), re.compile(r"^(?=  [^\s#-])", re.MULTILINE))
"""Where a key of the first level begins, and one of the second."""

RUNS_A_PROCESS = 100
"""That it pays to start a process for."""


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
    notes: list[str] = field(default_factory=list)

    @property
    def maps(self) -> list[SentenceMaps]:
        """The attention maps of the latest step, one a sentence; read when they are asked for."""
        return self._maps[0]

    @property
    def maps_step(self) -> int | None:
        """The step of ``maps``."""
        return self._maps[1]

    @cached_property
    def _maps(self) -> tuple[list[SentenceMaps], int | None]:
        return read_maps(self.folder, self.notes)

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


def read_runs(folders: Sequence[tuple[str, RunFolder]], warn: Callable[[str], None]) -> Iterator[ComparedRun]:
    """The runs with these names and folders, in order. Damaged ones are left out; ``warn`` takes a line for each.

    Numbers are read at some megabytes a second: of many runs each processor reads a part.
    """
    processes = min(os.cpu_count() or 1, len(folders) // RUNS_A_PROCESS)
    if processes < 2 or "fork" not in get_all_start_methods():
        yield from successes(map(_try_read, folders), warn)
        return
    with get_context("fork").Pool(processes) as pool:
        yield from successes(pool.imap(_try_read, folders, chunksize=max(1, RUNS_A_PROCESS // 4)), warn)


def _try_read(named: tuple[str, RunFolder]) -> ComparedRun | RegardError:
    name, folder = named
    return try_read(lambda run: read_run(run, name), folder)


def read_run(folder: RunFolder, name: str) -> ComparedRun:
    """Read ``folder``; only config.yaml and status.json must be there.

    Raises RegardError, naming the file, if one of these two cannot be read.
    """
    config, status = parse_file(folder.path / "config.yaml", load_flat_config, dict), folder.status()
    notes: list[str] = []
    curves = read_curves(folder, notes)
    summary = read_summary(folder, notes)
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
        config=config,
        overrides=[each.partition("=")[0].lstrip("+~") for each in readable_overrides(folder)],
        curves=curves,
        step=int(max(reached)) if reached else None,
        seconds=elapsed_seconds(status),
        tokens_per_second=speed,
        parameters=summary.get("parameters"),
        samples=read_samples(folder, notes),
        notes=notes,
    )


def load_flat_config(text: str) -> Any:
    """The values of a configuration by their dotted keys, not to be changed: equal sections of runs are parsed once.

    Anything else than a mapping is returned as it is. Raises YAMLError.
    """
    try:
        found: dict[str, Any] = {}
        for section in SECTIONS[0].split(text):
            first, *parts = SECTIONS[1].split(section)
            if parts and first.endswith(":\n"):
                found |= {f"{first[:-2]}.{key}": value for part in parts for key, value in _flat_part(part).items()}
            elif section.strip():
                found |= _flat_part(section)
        return found or load_yaml(text)
    except (yaml.YAMLError, AttributeError):  # one that refers to another, or none at all
        whole = load_yaml(text)
        return flatten(whole) if isinstance(whole, dict) else whole


@lru_cache(maxsize=1 << 14)
def _flat_part(text: str) -> dict[str, Any]:
    return flatten(load_yaml(text))
