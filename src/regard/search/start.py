"""Beginning a search, and going on with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from regard.config.compose import change_launcher, compose_points
from regard.errors import UsageError
from regard.instantiate import build
from regard.launch.slurm import queue, tasks
from regard.launch.start import make_launcher
from regard.runs.folder import RunFolder, create_atomically, unique_path, write_atomically
from regard.runs.resources import Resources, single_node_resources
from regard.search.space import Search, as_overrides, best, extremes, read

LAUNCHER = ("hydra/launcher", "hydra.launcher.")
CHANGEABLE = ("search.trials", "search.workers")


def begin(arguments: list[str]) -> int:
    """Check the search that ``arguments`` compose, make its folder, and have it worked on; the exit code."""
    points = compose_points(arguments)
    if not points:
        return 0
    if len(points) > 1:
        raise UsageError("regard search: a sweep is no search; leave -m out, and put what varies into search.space")
    config = points[0][0]
    if not config.get("search"):
        raise UsageError("search: choose how with search=tpe (or random), and what with '+search.space.KEY={low: ...}'")
    search: Search = build(config["search"])
    for corner in extremes(search.space):
        compose_points([*arguments, *corner])
    content = {
        "arguments": [each for each in arguments if not each.startswith(LAUNCHER)],  # a worker starts trials itself
        "cwd": str(Path.cwd()),
        "search": config["search"],
        "launcher": config["launcher"],
        "geometry": single_node_resources(config)._asdict(),
    }
    final = unique_path(Path(config["paths"]["runs"]) / config["name"])
    with create_atomically(final) as making:
        _write(making, content)
    print(f"search\t{final}", flush=True)
    with RunFolder(final).locked():
        return _start(final, content)


def resume(folder: Path, overrides: list[str]) -> int:
    """Go on with a search, perhaps with more trials or workers or elsewhere; the exit code.

    Raises UsageError for anything else, and if a job in the queue goes on with it.
    """
    folder = folder.absolute()  # a worker changes to where the search was begun
    search = RunFolder(folder)
    with search.locked():  # two that resume it at once would each write how many trials it is to have
        return _resume(folder, search, overrides)


def _resume(folder: Path, search: RunFolder, overrides: list[str]) -> int:
    if (job := search.job()) and tasks(job, queue()):
        raise UsageError(f"{folder}: job {job} is in the queue and works on it, or will; first: regard cancel {folder}")
    content = read(folder)
    if chosen := [override for override in overrides if override.startswith(LAUNCHER)]:
        content["launcher"] = change_launcher(content["launcher"], chosen)
    for override in overrides:
        key, _, value = override.partition("=")
        if override in chosen:
            continue
        if key not in CHANGEABLE:
            raise UsageError(f"{key}: only {' and '.join(CHANGEABLE)} and the launcher may change in a search")
        if not value.isdecimal() or int(value) < 1:
            raise UsageError(f"{override}: give a whole number, 1 or more")
        content["search"][key.removeprefix("search.")] = int(value)
    _write(folder, content)
    search.clear_cancelled()
    return _start(folder, content)


def result(folder: Path) -> str | None:
    """The best trial so far, as overrides; None if none has come to its end."""
    search: Search = build(read(folder)["search"])
    found = best(search.study(folder))
    if found is None:
        return None
    return f"best is trial {found.number}, {search.metric} {found.value:.6g}: {' '.join(as_overrides(found.params))}"


def _write(folder: Path, content: dict[str, Any]) -> None:
    write_atomically(folder / "search.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _start(folder: Path, content: dict[str, Any]) -> int:
    code = make_launcher(content["launcher"]).search(
        folder, content["search"]["workers"], Resources(**content["geometry"])
    )
    if (line := result(folder)) is not None:
        print(line)
    return code
