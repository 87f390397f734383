"""What runs are doing: a table from their folders, and from squeue where there is one."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from regard.errors import RegardError
from regard.runs.find import find_runs
from regard.runs.folder import RunFolder
from regard.runs.slurm import Job, is_here, queue_of, tasks
from regard.runs.sweep import is_search, own_overrides, sweep_of
from regard.training.metrics_file import latest_values

WATCH_SECONDS = 2
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "lost": "red", "preempted": "yellow"}


class Look(NamedTuple):
    """One run at a moment. What is not known is None; ``elapsed`` is in seconds, from the first start on."""

    run: RunFolder
    state: str
    node: str | None
    step: int | None
    max_steps: int
    tokens_per_second: float | None
    validation_loss: float | None
    elapsed: float | None
    attempts: int
    note: str


def look(run: RunFolder, jobs: Mapping[str, Job] | None) -> Look:
    """What ``run`` is doing, by its folder and the ``jobs`` in the queue, None where they are not known."""
    status, values = run.status(), latest_values(run.metrics)
    name = run.job()
    job = jobs.get(name) if jobs and name else None
    state, note = status["status"], str(status.get("why", ""))
    if state == "submitted" and name and job is None and jobs is not None and is_here():
        state, note = "lost", f"job {name} has ended without beginning; look at: regard logs {run.path}"
    if job is not None and job.state == "PENDING":
        note = f"job {name} waits ({job.reason})"
    elapsed = None
    if "began" in status:
        end = datetime.now(UTC) if state == "running" else datetime.fromisoformat(status["time"])
        elapsed = (end - datetime.fromisoformat(status["began"])).total_seconds()
    return Look(
        run=run,
        state=state,
        node=(job.nodes if job else "") or (status["host"] if status["attempt"] else None),
        step=int(max(values.get("step", 0), status.get("step") or 0)) if status["attempt"] else None,
        max_steps=run.config()["trainer"]["max_steps"],
        tokens_per_second=values.get("train/tokens_per_second"),
        validation_loss=values.get("validation/loss"),
        elapsed=elapsed,
        attempts=status["attempt"],
        note=note,
    )


def is_over(seen: Look, jobs: Mapping[str, Job] | None) -> bool:
    """Whether nothing will happen to it by itself, as far as is known."""
    job = seen.run.job()
    waits = job is not None and (jobs is None or job in jobs)
    return seen.state not in ("running", "submitted") and not waits


class Sight(NamedTuple):
    """Runs at a moment; whether all is over; and what SLURM says if it does not tell which jobs it has."""

    seen: list[Look]
    over: bool
    problem: str | None


def see(paths: Sequence[Path]) -> Sight:
    """The runs at or below ``paths``; a search is over when none of its jobs is left.

    If SLURM does not answer, the folders tell what they can.
    """
    runs, searches = find_runs(paths), [RunFolder(path) for path in paths if is_search(path)]
    jobs, problem = None, None
    try:
        jobs = queue_of([*runs, *searches])
    except RegardError as error:
        problem = str(error)
    seen = [look(run, jobs) for run in runs]
    at_work = any(job and (jobs is None or tasks(job, jobs)) for job in (search.job() for search in searches))
    return Sight(seen, not at_work and all(is_over(each, jobs) for each in seen), problem)


def show(paths: Sequence[Path], sweeps_as_one: bool, watch: bool, console: Console) -> None:
    """Print the table of the runs at or below ``paths``; to ``watch``, again and again until all is over."""
    draw = overview if sweeps_as_one else table
    sight = see(paths)
    say_problem(sight)
    if not watch:
        console.print(draw(sight.seen))
        return
    with Live(draw(sight.seen), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not sight.over:
            time.sleep(WATCH_SECONDS)
            before, sight = sight, see(paths)
            if sight.problem != before.problem:
                say_problem(sight)
            live.update(draw(sight.seen), refresh=True)


def say_problem(sight: Sight) -> None:
    """On stderr, if there is one."""
    if sight.problem:
        print(f"regard: {sight.problem}", file=sys.stderr)


def overview(seen: Sequence[Look]) -> Group:
    """Runs by themselves as in ``table``, and a line for each sweep."""
    sweeps: dict[Path, list[Look]] = {}
    for each in seen:
        if sweep := sweep_of(each.run):
            sweeps.setdefault(sweep, []).append(each)
    alone = [each for each in seen if not sweep_of(each.run)]
    lines = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("sweep", "runs", "states"):
        lines.add_column(name, no_wrap=name != "states", justify="right" if name == "runs" else "left")
    for sweep, points in sweeps.items():
        lines.add_row(f"{sweep.parent.name}/{sweep.name}", str(len(points)), count_states(points))
    return Group(*([lines] if sweeps else []), *([table(alone)] if alone else []))


def table(seen: Sequence[Look]) -> Table:
    """A line a run, and a count of the states below."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    columns = ("run", "own", "state", "node", "step", "tokens/s", "val loss", "elapsed", "tries", "note")
    for name in columns:
        right = name in ("step", "tokens/s", "val loss", "elapsed", "tries")
        long = name in ("own", "note")
        shown.add_column(name, justify="right" if right else "left", no_wrap=not long, overflow="fold")
    own = own_overrides([each.run.overrides() for each in seen]) if seen else []
    for each, name, overrides in zip(seen, short_names([each.run for each in seen]), own, strict=True):
        colour = COLOURS.get(each.state, "default")
        shown.add_row(
            name,
            escape(" ".join(overrides)) if len(seen) > 1 else "",
            f"[{colour}]{each.state}[/]",
            each.node or "",
            f"{each.step}/{each.max_steps}" if each.step is not None else "",
            f"{each.tokens_per_second:,.0f}" if each.tokens_per_second else "",
            f"{each.validation_loss:.4f}" if each.validation_loss is not None else "",
            duration(each.elapsed),
            str(each.attempts),
            escape(each.note),
        )
    if len(seen) > 1:
        shown.caption, shown.caption_justify = count_states(seen), "left"
    return shown


def count_states(seen: Sequence[Look]) -> str:
    """How many are finished, failed, ..."""
    return count_states_of([each.state for each in seen])


def count_states_of(states: Sequence[str]) -> str:
    """3 finished, 1 failed"""
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def as_plain(seen: Look) -> dict[str, Any]:
    """For JSON."""
    return seen._asdict() | {"run": str(seen.run.path)}


def short_names(runs: Sequence[RunFolder]) -> list[str]:
    """Paths without what all of them share."""
    parts = [run.path.absolute().parts for run in runs]
    shared = 0
    while len(runs) > 1 and len({part[: shared + 1] for part in parts}) == 1:
        shared += 1
    return ["/".join(part[shared:]) if shared else "/".join(part[-2:]) for part in parts]


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, as far as there are any."""
    if seconds is None:
        return ""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
