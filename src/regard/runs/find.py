"""Finding run folders: by their own path, by that of their sweep, or by any folder that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from regard.errors import RegardError, UsageError
from regard.runs.folder import RunFolder
from regard.runs.sweep import is_search

DEPTH = 3
"""runs/NAME/SWEEP/NUMBER"""

Warn = Callable[[str], None]
Result = TypeVar("Result")


def find_runs(paths: Iterable[Path], warn: Warn) -> list[RunFolder]:
    """The runs at or below ``paths``, those of a sweep in its order, each once.

    ``warn`` is told of folders that cannot be read. Raises UsageError for a path without any run, unless it is a search
    that has not begun.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        runs = list(_below(path, DEPTH, warn))
        if not runs and not is_search(path):
            raise UsageError(
                f"{path}: {'no run in it' if path.is_dir() else 'no such folder'}; runs/ holds them by name"
            )
        found |= {run.path.resolve(): run for run in runs}
    return list(found.values())


def try_read(read: Callable[[RunFolder], Result], run: RunFolder) -> Result | RegardError:
    """What ``read`` makes of ``run``, or the error of a folder that is damaged."""
    try:
        return read(run)
    except RegardError as error:
        return error
    except OSError as error:
        return RegardError(f"{run.path}: cannot be read ({error.strerror})")


def successes(results: Iterable[Result | RegardError], warn: Warn) -> Iterator[Result]:
    """Those of ``attempts`` that were successful; ``warn`` is told of the others."""
    for found in results:
        if isinstance(found, RegardError):
            warn(f"{found}; left out")
        else:
            yield found


def _below(path: Path, depth: int, warn: Warn) -> Iterator[RunFolder]:
    try:
        is_run = (path / "status.json").is_file() and (path / "config.yaml").is_file()
        below = sorted(path.iterdir(), key=_in_order) if not is_run and depth and path.is_dir() else []
    except OSError as error:
        warn(f"{path}: cannot be read ({error.strerror}); left out")
        return
    if is_run:
        yield RunFolder(path)
    for each in below:
        if not each.name.startswith("."):
            yield from _below(each, depth - 1, warn)


def _in_order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() else (-1, path.name)
