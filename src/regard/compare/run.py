"""The data of a run folder for a comparison; files that are missing or damaged are tolerated."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_all_start_methods, get_context
from typing import Any

import numpy as np

from regard.compare.choices import chosen_options
from regard.compare.flat_config import load_flat_config
from regard.compare.run_files import Curve, read_curves, read_drawings, read_maps, read_samples, read_summary
from regard.compatibility import keys_in_present_form, present_key
from regard.errors import RegardError
from regard.observe.record.maps import SentenceMaps
from regard.runs.find import successes, try_read
from regard.runs.folder import RunFolder
from regard.runs.parse import parse_file
from regard.runs.status.content import elapsed_seconds
from regard.runs.sweep import readable_overrides

RUNS_PER_PROCESS = 100
"""Minimum number of runs per process for parallel reading."""


@dataclass(frozen=True)
class ComparedRun:
    """A run, finished or not.

    config: values by dotted key; a list is one value
    overrides: the keys that the user set
    curves: the columns of metrics.csv
    seconds: time from the first start to the end, or until now
    samples: the samples of the latest step, as in samples.jsonl, or images of the latest contact sheet
    notes: what could not be read; reading ``maps`` may append notes
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
        """The attention maps of the latest step, one per sentence; read on first access."""
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
        """Return the smallest or largest finite value of ``metric`` and its step, or None."""
        curve = self.curves.get(metric)
        if curve is None or not np.isfinite(curve.values).any():
            return None
        worst = math.inf if mode == "min" else -math.inf
        values = np.where(np.isfinite(curve.values), curve.values, worst)
        at = int(values.argmin() if mode == "min" else values.argmax())
        return float(values[at]), int(curve.steps[at])


def read_runs(folders: Sequence[tuple[str, RunFolder]], warn: Callable[[str], None]) -> Iterator[ComparedRun]:
    """Yield the runs with these names and folders, in order; damaged runs are skipped with a call of ``warn``.

    Many runs are read in parallel, since parsing numbers is slow (a few megabytes per second).
    """
    processes = min(os.cpu_count() or 1, len(folders) // RUNS_PER_PROCESS)
    if processes < 2 or "fork" not in get_all_start_methods():
        yield from successes(map(_try_read, folders), warn)
        return
    with get_context("fork").Pool(processes) as pool:
        yield from successes(pool.imap(_try_read, folders, chunksize=max(1, RUNS_PER_PROCESS // 4)), warn)


def _try_read(named: tuple[str, RunFolder]) -> ComparedRun | RegardError:
    name, folder = named
    return try_read(lambda run: read_run(run, name), folder)


def read_run(folder: RunFolder, name: str) -> ComparedRun:
    """Read ``folder``; only config.yaml and status.json are required.

    Raises RegardError with the file name if one of these two cannot be read.
    """
    config, status = parse_file(folder.path / "config.yaml", load_flat_config, dict), folder.status()
    overrides = readable_overrides(folder)
    config = chosen_options(overrides) | keys_in_present_form(config)
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
        overrides=[present_key(each.partition("=")[0].lstrip("+~")) for each in overrides],
        curves=curves,
        step=int(max(reached)) if reached else None,
        seconds=elapsed_seconds(status),
        tokens_per_second=speed,
        parameters=summary.get("parameters"),
        samples=read_samples(folder, notes) or read_drawings(folder, notes),
        notes=notes,
    )
