"""Finding run folders: by their own path, by that of their sweep, or by any folder that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from regard.errors import UsageError
from regard.runs.folder import RunFolder
from regard.runs.sweep import is_search

DEPTH = 3
"""runs/NAME/SWEEP/NUMBER"""


def find_runs(paths: Iterable[Path]) -> list[RunFolder]:
    """The runs at or below ``paths``, those of a sweep in its order, each once.

    Raises UsageError for a path without any, unless it is a search that has not begun.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        runs = list(_below(path, DEPTH))
        if not runs and not is_search(path):
            raise UsageError(
                f"{path}: {'no run in it' if path.is_dir() else 'no such folder'}; runs/ holds them by name"
            )
        found |= {run.path.resolve(): run for run in runs}
    return list(found.values())


def _below(path: Path, depth: int) -> Iterator[RunFolder]:
    if (path / "status.json").is_file() and (path / "config.yaml").is_file():
        yield RunFolder(path)
    elif path.is_dir() and depth:
        for below in sorted(path.iterdir(), key=_in_order):
            if not below.name.startswith("."):
                yield from _below(below, depth - 1)


def _in_order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() else (-1, path.name)
