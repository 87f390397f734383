"""The table of `regard jobs`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from regard.launch.jobs import RunInfo, RunList, list_runs, short_names
from regard.runs.sweep import sweep_of, varying_overrides
from regard.runs.table import Column, format_table, table_width

WATCH_SECONDS = 2
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "lost": "red", "preempted": "yellow"}


def state_style(state: str) -> str:
    """Return the colour of a state, or an empty string."""
    return COLOURS.get(state, "")


COLUMNS = (
    Column("state", style=state_style),
    Column("step", right=True),
    Column("run", least=25, keeps_end=True),
    Column("val loss", right=True),
    Column("overrides", least=20),
    Column("elapsed", right=True),
    Column("note", least=20),
    Column("tokens/s", right=True),
    Column("node"),
    Column("tries", right=True),
)
WIDE_HINT = "add --wide"
SWEEP_COLUMNS = (Column("sweep", least=25, keeps_end=True), Column("runs", right=True), Column("states", least=20))


def show(paths: Sequence[Path], sweeps_as_one: bool, watch: bool, wide: bool, console: Console) -> None:
    """Print the table of the runs in ``paths`` and their subfolders; with ``watch``, update it until all have ended."""

    def draw(found: RunList) -> Text:
        return (overview if sweeps_as_one else table)(found.infos, table_width(console, wide))

    found = list_runs(paths)
    print_problems(found.problems)
    if not watch:
        console.print(draw(found), end="", soft_wrap=True)
        return
    with Live(draw(found), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not found.ended:
            time.sleep(WATCH_SECONDS)
            before, found = found, list_runs(paths)
            print_problems([problem for problem in found.problems if problem not in before.problems])
            live.update(draw(found), refresh=True)


def print_problems(problems: Sequence[str]) -> None:
    """Print each problem on stderr."""
    for problem in problems:
        print(f"regard: {problem}", file=sys.stderr)


def overview(infos: Sequence[RunInfo], width: int | None) -> Text:
    """Return a table with one line per sweep, followed by the `table` of the runs outside of sweeps."""
    sweeps: dict[Path, list[RunInfo]] = {}
    single: list[RunInfo] = []
    for info in infos:
        sweep = sweep_of(info.run)
        (single if sweep is None else sweeps.setdefault(sweep, [])).append(info)
    rows = [
        (f"{sweep.parent.name}/{sweep.name}", str(len(points)), count_states([point.state for point in points]))
        for sweep, points in sweeps.items()
    ]
    parts = [format_table(SWEEP_COLUMNS, rows, width, WIDE_HINT)] if sweeps else []
    return Text().join([*parts, *([table(single, width)] if single else [])])


def table(infos: Sequence[RunInfo], width: int | None) -> Text:
    """Return a table with one line per run, followed by a count of the states."""
    varying = varying_overrides([info.overrides for info in infos]) if len(infos) > 1 else [[] for _ in infos]
    rows = [
        (
            info.state,
            f"{info.step}/{info.max_steps or '?'}" if info.step is not None else "",
            name,
            f"{info.validation_loss:.4f}" if info.validation_loss is not None else "",
            " ".join(overrides),
            format_duration(info.elapsed),
            info.note,
            f"{info.tokens_per_second:,.0f}" if info.tokens_per_second else "",
            info.node or "",
            str(info.attempts),
        )
        for info, name, overrides in zip(infos, short_names([info.run for info in infos]), varying, strict=True)
    ]
    text = format_table(COLUMNS, rows, width, WIDE_HINT)
    return text.append(f"{count_states([info.state for info in infos])}\n", "italic") if len(infos) > 1 else text


def count_states(states: Sequence[str]) -> str:
    """Return the number of runs in each state, such as "3 finished, 1 failed"."""
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def format_duration(seconds: float | None) -> str:
    """Return a duration as "1:02:03" or "2:03"; an empty string for None."""
    if seconds is None:
        return ""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
