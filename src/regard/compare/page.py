"""The data of the comparison page: thinned curves, and attention maps and samples within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regard.compare.comparison import Comparison, Group
from regard.compare.run import ComparedRun
from regard.compare.table import as_csv
from regard.data.tokenizer.specials import SPACE, SPECIAL_PIECES
from regard.observe.draw.packing import pack_weights
from regard.observe.draw.plotly_page import write_plotly_page
from regard.observe.draw.thin import thin
from regard.observe.record.maps import SentenceMaps

POINTS = 150_000
"""Maximum number of points of all curves of a page; about 2 MB."""

POINTS_PER_CURVE = (500, 400, 300, 200, 150, 100, 75, 50, 30, 20, 10, 8)
MAP_BYTES = 3 << 17
"""Maximum number of attention weights of a page, one byte each; 0.5 MB as text."""

SAMPLE_CHARACTERS = 1 << 17
"""Maximum number of characters of all samples of a page."""

SPENT = ("train/tokens", "train/seconds")
"""Curves that serve as axes of other curves."""
TEXT_CHARACTERS = 2000
"""Maximum length of a text; the page states the number of characters that are cut."""


def write_page(path: Path, comparison: Comparison) -> None:
    """Write the page. Raises OSError if it cannot be written."""
    runs = comparison.runs
    names, names_left_out = fit_curves(runs, POINTS)
    lengths = [len(run.curves[name].values) for run in runs for name in names if name in run.curves]
    most = points_per_curve(lengths)
    kept_maps, maps_left_out = fit_maps(runs, MAP_BYTES)
    samples, samples_left_out = fit_samples(runs, SAMPLE_CHARACTERS)
    places = {id(run): number for number, run in enumerate(runs)}
    groups = {id(run): number for number, group in enumerate(comparison.groups) for run in group.runs}
    data: dict[str, Any] = {
        "metric": comparison.metric,
        "mode": comparison.mode,
        "columns": comparison.columns,
        "differing": comparison.differing,
        "parameters": comparison.parameters(),
        "metrics": comparison.metrics,
        "curves": names,
        "curvesLeftOut": names_left_out,
        "thinned": most if any(length > most for length in lengths) else None,
        "mapsLeftOut": maps_left_out,
        "samplesLeftOut": samples_left_out,
        "importance": comparison.importance._asdict(),
        "csv": as_csv(comparison),
        "groups": [_group(group, places) for group in comparison.groups],
        "runs": [
            _run(run, comparison)
            | {"curves": _points(run, names, most), "spent": _points(run, SPENT, most)}
            | {"group": groups[id(run)], "samples": texts, "maps": kept, "mapsStep": run.maps_step if kept else None}
            for run, kept, texts in zip(runs, kept_maps, samples, strict=True)
        ],
    }
    count = len(runs)
    good = "smallest" if comparison.mode == "min" else "largest"
    subtitle = f"{count} run{'s' * (count != 1)} by the {good} {comparison.metric}"
    write_plotly_page(path, "compare.html.jinja", "Comparison of runs", subtitle, data)


def points_per_curve(lengths: Sequence[int], budget: int = POINTS) -> int:
    """Return the largest of POINTS_PER_CURVE with which all curves fit the budget, or the smallest one."""
    fitting = (most for most in POINTS_PER_CURVE if sum(min(length, most) for length in lengths) <= budget)
    return next(fitting, POINTS_PER_CURVE[-1])


def fit_curves(runs: Sequence[ComparedRun], budget: int) -> tuple[list[str], int]:
    """Return the names of the curves to draw, and the number of curves that are left out.

    Curves of attention are left out if the smallest number of points per curve exceeds the budget. Curves in SPENT and
    curves without finite values do not count.
    """
    finite = {name for run in runs for name, curve in run.curves.items() if np.isfinite(curve.values).any()}
    names = sorted(finite - set(SPENT), key=lambda name: (name.startswith("attention/"), name))
    fewest = sum(
        min(len(run.curves[name].values), POINTS_PER_CURVE[-1]) for run in runs for name in names if name in run.curves
    )
    kept = [name for name in names if not name.startswith("attention/")] if fewest > budget else names
    return kept, len(names) - len(kept)


def fit_maps(runs: Sequence[ComparedRun], budget: int) -> tuple[list[list[dict[str, Any]]], int]:
    """Return the packed maps of each run, and the number of runs whose maps are left out.

    Files of maps are read until the budget is exhausted.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in runs]
    for place, run in enumerate(runs):
        own: list[dict[str, Any]] = []
        for sentence in run.maps:
            for name, weights in sentence.maps.items():
                queries, keys = sentence.tokens(name)
                own.append(
                    {"sentence": _text(sentence), "name": name, "queries": queries, "keys": keys}
                    | {"heads": len(weights), "steps": pack_weights(weights)}
                )
        budget -= sum(each["heads"] * len(each["queries"]) * len(each["keys"]) for each in own)
        if budget < 0:
            return found, sum(any(run.folder.attention.glob("step-*.npz")) for run in runs[place:])
        found[place] = own
    return found, 0


def _text(maps: SentenceMaps) -> str:
    """Return the source text, or the text that a language model reads; the page pairs runs by it."""
    pieces = maps.source or maps.target
    return "".join(piece for piece in pieces if piece not in SPECIAL_PIECES).replace(SPACE, " ").strip()


def fit_samples(runs: Sequence[ComparedRun], budget: int) -> tuple[list[list[dict[str, Any]]], int]:
    """Return the samples of each run, and the number of runs whose samples are left out."""
    found: list[list[dict[str, Any]]] = [[] for _ in runs]
    for place, run in enumerate(runs):
        own = [_sample(sample) for sample in run.samples]
        budget -= sum(len(text) for sample in own for text in sample.values() if isinstance(text, str))
        if budget < 0:
            return found, sum(bool(run.samples) for run in runs[place:])
        found[place] = own
    return found, 0


def _run(run: ComparedRun, comparison: Comparison) -> dict[str, Any]:
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
    }


def _points(run: ComparedRun, names: Sequence[str], most: int) -> dict[str, Any]:
    """Return the thinned curves with these names that the run has."""
    by_length: dict[int, list[str]] = {}
    for name in names:
        if name in run.curves:
            by_length.setdefault(len(run.curves[name].values), []).append(name)
    found = {}
    for same_length in by_length.values():  # thinned together, which is faster
        values_of = np.stack([run.curves[name].values for name in same_length])
        for name, kept in zip(same_length, thin(values_of, most), strict=True):
            steps, values = run.curves[name]
            found[name] = {
                "x": steps[kept].astype(int).tolist(),
                "y": [float(f"{value:.6g}") for value in values[kept].tolist()],
            }
    return found


def _sample(sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": sample["step"],
        **{name: _cut(str(sample.get(name, ""))) for name in ("source", "reference", "output")},
        **({"image": sample["image"]} if "image" in sample else {}),
    }


def _cut(text: str) -> str:
    more = len(text) - TEXT_CHARACTERS
    return text if more <= 0 else f"{text[:TEXT_CHARACTERS]} … ({more} more characters)"


def _group(group: Group, places: Mapping[int, int]) -> dict[str, Any]:
    return {
        "runs": [places[id(run)] for run in group.runs],
        "finished": sum(run.state == "finished" for run in group.runs),
        "score": group.score,
        "aggregates": {k: v for k, v in group.aggregates.items() if not k.startswith("attention/")},
    }
