"""Sweeps: a folder with sweep.json and a numbered run folder for each point."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.errors import RegardError
from regard.runs.create import create_atomically, unique_path, write_atomically
from regard.runs.folder import RunFolder
from regard.runs.parse import load_yaml, parse_file


def create_sweep(parent: Path, points: Sequence[tuple[dict[str, Any], list[str]]]) -> list[RunFolder]:
    """Create a folder in ``parent`` with sweep.json and a numbered run folder for each point; return the runs.

    The folder appears complete or not at all. Raises RegardError if it cannot be written.
    """
    final = unique_path(parent)
    with create_atomically(final) as temporary:
        for number, (config, overrides) in enumerate(points):
            (temporary / str(number)).mkdir()
            RunFolder(temporary / str(number)).fill(config, overrides)
        content = {"points": [overrides for _, overrides in points]}
        write_atomically(temporary / "sweep.json", json.dumps(content, indent=2))
    return [RunFolder(final / str(number)) for number in range(len(points))]


def sweep_of(run: RunFolder) -> Path | None:
    """Return the folder of the sweep or search that ``run`` belongs to; None for a single run."""
    parent = run.path.resolve().parent
    return parent if (parent / "sweep.json").is_file() or is_search(parent) else None


def is_search(path: Path) -> bool:
    """Return whether ``path`` is the folder of a search."""
    return (path / "search.yaml").is_file()


def readable_overrides(run: RunFolder) -> list[str]:
    """Return the overrides of ``run``; none if they cannot be read, because they are only shown."""
    try:
        return run.overrides()
    except RegardError:
        return []


def varying_overrides(points: list[list[str]]) -> list[list[str]]:
    """Return for each point of a sweep the overrides that not all points share; all overrides of a single point."""
    if len(points) == 1:
        return points
    shared = set(points[0]).intersection(*points[1:])
    return [[override for override in point if override not in shared] for point in points]


def group_and_tags(run: RunFolder) -> tuple[str, list[str]]:
    """Return the W&B group and tags of a run: its sweep and varying overrides, or its name and all overrides."""
    sweep = sweep_of(run)
    if sweep is None or not run.path.name.isdecimal():  # a copy next to the points does not belong to the sweep
        return run.config()["name"], run.overrides()
    group, number = f"{sweep.parent.name}/{sweep.name}", int(run.path.name)
    if is_search(sweep):
        given = parse_file(sweep / "search.yaml", load_yaml, dict)["arguments"]
        return group, [override for override in run.overrides() if override not in given]
    points = parse_file(sweep / "sweep.json", json.loads, dict)["points"]
    return group, varying_overrides(points)[number]
