"""A sweep: a folder with sweep.json and a numbered run folder for each of its points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.errors import RegardError
from regard.runs.folder import RunFolder, create_atomically, unique_path, write_atomically
from regard.runs.parse import load_yaml, parse_file


def create_sweep(parent: Path, points: Sequence[tuple[dict[str, Any], list[str]]]) -> list[RunFolder]:
    """A new folder in ``parent`` with sweep.json and a numbered run folder for each point.

    It appears complete or not at all. Raises RegardError if it cannot be written.
    """
    final = unique_path(parent)
    with create_atomically(final) as making:
        for number, (config, overrides) in enumerate(points):
            (making / str(number)).mkdir()
            RunFolder(making / str(number)).fill(config, overrides)
        content = {"points": [overrides for _, overrides in points]}
        write_atomically(making / "sweep.json", json.dumps(content, indent=2))
    return [RunFolder(final / str(number)) for number in range(len(points))]


def sweep_of(run: RunFolder) -> Path | None:
    """The folder of the sweep or search that ``run`` is a point of; None for a run by itself."""
    parent = run.path.resolve().parent
    return parent if (parent / "sweep.json").is_file() or is_search(parent) else None


def is_search(path: Path) -> bool:
    """Whether ``path`` is the folder of a search."""
    return (path / "search.yaml").is_file()


def readable_overrides(run: RunFolder) -> list[str]:
    """The overrides of ``run``; none if they cannot be read, since they only name what differs."""
    try:
        return run.overrides()
    except RegardError:
        return []


def varying_overrides(points: list[list[str]]) -> list[list[str]]:
    """Of each point of a sweep, the overrides that not all points share; of a single one, all."""
    if len(points) == 1:
        return points
    shared = set(points[0]).intersection(*points[1:])
    return [[override for override in point if override not in shared] for point in points]


def group_and_tags(run: RunFolder) -> tuple[str, list[str]]:
    """Group and tags of a run in a dashboard: its sweep and what is its own there, or its name and overrides."""
    sweep = sweep_of(run)
    if sweep is None or not run.path.name.isdecimal():  # a copy beside the points is none of them
        return run.config()["name"], run.overrides()
    group, number = f"{sweep.parent.name}/{sweep.name}", int(run.path.name)
    if is_search(sweep):
        given = parse_file(sweep / "search.yaml", load_yaml, dict)["arguments"]
        return group, [override for override in run.overrides() if override not in given]
    points = parse_file(sweep / "sweep.json", json.loads, dict)["points"]
    return group, varying_overrides(points)[number]
