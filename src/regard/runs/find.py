"""Find run folders by their own path, the path of their sweep, or any folder that contains them."""

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
    """Return the runs at or below ``paths``, each once; the runs of a sweep in its order.

    ``warn`` is called for folders that cannot be read. Raises UsageError for a path without a run, unless it is a
    search without trials.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        runs = list(_below(path, DEPTH, warn))
        if not runs and not is_search(path):
            raise UsageError(
                f"{path}: {'no run folder in it' if path.is_dir() else 'no such folder'}; run folders are in runs/NAME/"
            )
        found |= {run.path.resolve(): run for run in runs}
    return list(found.values())


def try_read(read: Callable[[RunFolder], Result], run: RunFolder) -> Result | RegardError:
    """Return the result of ``read``, or its error if the run folder is damaged."""
    try:
        return read(run)
    except RegardError as error:
        return error
    except OSError as error:
        return RegardError(f"{run.path}: cannot be read ({error.strerror})")


def successes(results: Iterable[Result | RegardError], warn: Warn) -> Iterator[Result]:
    """Yield the results of `try_read` that are not errors; ``warn`` is called for the errors."""
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
