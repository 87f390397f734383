"""A comparison as the data of its page: curves thinned out, attention maps within a budget, everything plain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regard.observe.compare_page import as_steps, render_comparison, sentence_of
from regard.observe.thin import thin
from regard.runs.compare import Comparison, Group
from regard.runs.compare_table import as_csv
from regard.runs.compared import ComparedRun
from regard.runs.lenient import Curve

POINTS = 250_000
"""The most points that all curves of a page may have; some 3 MB."""

POINTS_A_CURVE = (500, 400, 300, 200, 150, 100, 75, 50, 30, 20)
MAP_BYTES = 4 << 20
"""The most weights of attention maps that a page may have, a byte each."""

CHARACTERS = 2000
"""Of a text; the rest is left out, and said to be."""


def write_page(path: Path, comparison: Comparison) -> None:
    """Write the page. Raises OSError if it cannot be written."""
    runs = comparison.runs
    lengths = [len(curve.values) for run in runs for curve in run.curves.values()]
    most = most_points(lengths)
    kept_maps, left_out = maps_within(runs, MAP_BYTES)
    groups = {id(run): number for number, group in enumerate(comparison.groups) for run in group.runs}
    data: dict[str, Any] = {
        "metric": comparison.metric,
        "mode": comparison.mode,
        "columns": comparison.columns,
        "differing": comparison.differing,
        "parameters": comparison.parameters(),
        "metrics": comparison.metrics,
        "curves": _curve_names(runs),
        "thinned": most if any(length > most for length in lengths) else None,
        "mapsLeftOut": left_out,
        "importance": comparison.importance._asdict(),
        "csv": as_csv(comparison),
        "groups": [_group(group, runs) for group in comparison.groups],
        "runs": [_run(run, comparison, most, groups[id(run)], maps) for run, maps in zip(runs, kept_maps, strict=True)],
    }
    count = len(runs)
    good = "smallest" if comparison.mode == "min" else "largest"
    subtitle = f"{count} run{'s' * (count != 1)} by the {good} {comparison.metric}"
    render_comparison(path, "Runs compared", subtitle, data)


def most_points(lengths: Sequence[int], budget: int = POINTS) -> int:
    """How many points each curve may have, so that all together keep the budget (or come as near as 20 each)."""
    fitting = (most for most in POINTS_A_CURVE if sum(min(length, most) for length in lengths) <= budget)
    return next(fitting, POINTS_A_CURVE[-1])


def maps_within(runs: Sequence[ComparedRun], budget: int) -> tuple[list[list[dict[str, Any]]], int]:
    """For each run its sentences with their maps, packed; and for how many runs there was no room."""
    found: list[list[dict[str, Any]]] = []
    left_out = 0
    for run in runs:
        mine: list[dict[str, Any]] = []
        for sentence in run.maps:
            for name, weights in sentence.maps.items():
                queries, keys = sentence.tokens(name)
                mine.append(
                    {"sentence": sentence_of(sentence), "name": name, "queries": queries, "keys": keys}
                    | {"heads": len(weights), "steps": as_steps(weights)}
                )
        size = sum(each["heads"] * len(each["queries"]) * len(each["keys"]) for each in mine)
        if size > budget:
            left_out += 1
            mine = []
        budget -= size if mine else 0
        found.append(mine)
    return found, left_out


def _run(run: ComparedRun, comparison: Comparison, most: int, group: int, maps: list[dict[str, Any]]) -> dict[str, Any]:
    best = run.best(comparison.metric, comparison.mode)
    return {
        "name": run.name,
        "path": str(run.folder.path),
        "state": run.state,
        "why": run.why,
        "notes": run.notes,
        "score": None if best is None else best[0],
        "bestStep": None if best is None else best[1],
        "config": {key: run.config[key] for key in comparison.differing if key in run.config},
        "final": {name: value for name, value in run.final.items() if not name.startswith("attention/")},
        "step": run.step,
        "seconds": run.seconds,
        "speed": run.tokens_per_second,
        "parameters": run.parameters,
        "group": group,
        "curves": {name: _points(curve, most) for name, curve in run.curves.items()},
        "spent": {
            name: _points(run.curves[f"train/{name}"], most)
            for name in ("tokens", "seconds")
            if f"train/{name}" in run.curves
        },
        "samples": [_sample(sample) for sample in run.samples],
        "maps": maps,
        "mapsStep": run.maps_step,
    }


def _points(curve: Curve, most: int) -> dict[str, Any]:
    kept = thin(curve.values, most)
    return {"x": [int(step) for step in curve.steps[kept]], "y": [float(f"{v:.6g}") for v in curve.values[kept]]}


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": sample["step"],
        **{name: _cut(str(sample.get(name, ""))) for name in ("source", "reference", "output")},
    }


def _cut(text: str) -> str:
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]} … ({len(text) - CHARACTERS} more characters)"


def _group(group: Group, runs: Sequence[ComparedRun]) -> dict[str, Any]:
    places = {id(run): number for number, run in enumerate(runs)}
    return {
        "runs": [places[id(run)] for run in group.runs],
        "finished": sum(run.state == "finished" for run in group.runs),
        "score": group.score,
        "spreads": {name: spread for name, spread in group.spreads.items() if not name.startswith("attention/")},
    }


def _curve_names(runs: Sequence[ComparedRun]) -> list[str]:
    names = {name for run in runs for name in run.curves if name not in ("train/tokens", "train/seconds")}
    finite = {n for n in names if any(n in run.curves and np.isfinite(run.curves[n].values).any() for run in runs)}
    return sorted(finite, key=lambda name: (name.startswith("attention/"), name))
