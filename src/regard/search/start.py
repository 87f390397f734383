"""Start and resume a search, and describe its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from regard.config.compose import compose_points
from regard.config.launcher import change_launcher, is_of_launcher
from regard.errors import UsageError
from regard.instantiate import build
from regard.launch.slurm import queue, tasks
from regard.launch.start import check_machine, make_launcher
from regard.runs.create import create_atomically, unique_path, write_atomically
from regard.runs.folder import RunFolder
from regard.runs.resources import Resources, single_node_resources
from regard.search.space import Search, as_overrides, best_trial, corners, read

CHANGEABLE = ("search.trials", "search.workers")


def start_search(arguments: list[str]) -> int:
    """Check the search that ``arguments`` compose, create its folder, and start its workers; return the exit code."""
    points = compose_points(arguments)
    if not points:
        return 0
    if len(points) > 1:
        raise UsageError("regard search does not run sweeps: remove -m, and add the keys that vary to search.space")
    config = points[0][0]
    if not config.get("search"):
        raise UsageError(
            "search is not set: choose a method with search=tpe or search=random, and a space with "
            "'+search.space.KEY={low: ..., high: ...}'"
        )
    search: Search = build(config["search"])
    for corner in corners(search.space):
        compose_points([*arguments, *corner])
    check_machine([config])
    content = {
        "arguments": [each for each in arguments if not is_of_launcher(each)],  # trials are started by the worker
        "cwd": str(Path.cwd()),
        "search": config["search"],
        "launcher": config["launcher"],
        "geometry": single_node_resources(config)._asdict(),  # the key has this name in older searches
    }
    final = unique_path(Path(config["paths"]["runs"]) / config["name"])
    with create_atomically(final) as temporary:
        _write(temporary, content)
    print(f"search\t{final}", flush=True)
    with RunFolder(final).locked():
        return _launch(final, content)


def resume_search(folder: Path, overrides: list[str]) -> int:
    """Resume a search, possibly with more trials or workers or with another launcher; return the exit code.

    Raises UsageError for any other override, and if a job in the queue works on the search.
    """
    folder = folder.absolute()
    search = RunFolder(folder)
    with search.locked():  # two concurrent calls would overwrite each other's search.yaml
        return _resume(folder, search, overrides)


def _resume(folder: Path, search: RunFolder, overrides: list[str]) -> int:
    if (job := search.job()) and tasks(job, queue()):
        raise UsageError(f"{folder}: job {job} of this search is in the queue; cancel it first: regard cancel {folder}")
    content = read(folder)
    content["launcher"] = change_launcher(content["launcher"], overrides)
    for override in overrides:
        key, _, value = override.partition("=")
        if is_of_launcher(override):
            continue
        if key not in CHANGEABLE:
            raise UsageError(f"{key}: only {', '.join(CHANGEABLE)} and the launcher of a search can change")
        if not value.isdecimal() or int(value) < 1:
            raise UsageError(f"{override}: expected an integer >= 1")
        content["search"][key.removeprefix("search.")] = int(value)
    _write(folder, content)
    search.clear_cancelled()
    return _launch(folder, content)


def describe_best(folder: Path) -> str | None:
    """Return one line about the best trial so far, with its overrides; None if no trial has finished."""
    search: Search = build(read(folder)["search"])
    found = best_trial(search.study(folder))
    if found is None:
        return None
    return f"best is trial {found.number}, {search.metric} {found.value:.6g}: {' '.join(as_overrides(found.params))}"


def _write(folder: Path, content: dict[str, Any]) -> None:
    write_atomically(folder / "search.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _launch(folder: Path, content: dict[str, Any]) -> int:
    code = make_launcher(content["launcher"]).search(
        folder, content["search"]["workers"], Resources(**content["geometry"])
    )
    if (line := describe_best(folder)) is not None:
        print(line)
    return code
