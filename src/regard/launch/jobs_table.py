"""The table of what runs are doing."""

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
    """The style of a state."""
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
WHERE = "add --wide"
SWEEP_COLUMNS = (Column("sweep", least=25, keeps_end=True), Column("runs", right=True), Column("states", least=20))


def show(paths: Sequence[Path], sweeps_as_one: bool, watch: bool, wide: bool, console: Console) -> None:
    """Print the table of the runs at or below ``paths``; to ``watch``, again and again until all is over."""

    def draw(found: RunList) -> Text:
        return (overview if sweeps_as_one else table)(found.seen, table_width(console, wide))

    found = list_runs(paths)
    say_problems(found.problems)
    if not watch:
        console.print(draw(found), end="", soft_wrap=True)
        return
    with Live(draw(found), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not found.over:
            time.sleep(WATCH_SECONDS)
            before, found = found, list_runs(paths)
            say_problems([problem for problem in found.problems if problem not in before.problems])
            live.update(draw(found), refresh=True)


def say_problems(problems: Sequence[str]) -> None:
    """On stderr."""
    for problem in problems:
        print(f"regard: {problem}", file=sys.stderr)


def overview(seen: Sequence[RunInfo], width: int | None) -> Text:
    """Runs by themselves as in ``table``, and a line for each sweep."""
    sweeps: dict[Path, list[RunInfo]] = {}
    alone: list[RunInfo] = []
    for each in seen:
        sweep = sweep_of(each.run)
        (alone if sweep is None else sweeps.setdefault(sweep, [])).append(each)
    rows = [
        (f"{sweep.parent.name}/{sweep.name}", str(len(of)), count_states([each.state for each in of]))
        for sweep, of in sweeps.items()
    ]
    parts = [format_table(SWEEP_COLUMNS, rows, width, WHERE)] if sweeps else []
    return Text().join([*parts, *([table(alone, width)] if alone else [])])


def table(seen: Sequence[RunInfo], width: int | None) -> Text:
    """A line a run, and a count of the states below."""
    own = varying_overrides([each.overrides for each in seen]) if len(seen) > 1 else [[] for _ in seen]
    rows = [
        (
            each.state,
            f"{each.step}/{each.max_steps or '?'}" if each.step is not None else "",
            name,
            f"{each.validation_loss:.4f}" if each.validation_loss is not None else "",
            " ".join(overrides),
            format_duration(each.elapsed),
            each.note,
            f"{each.tokens_per_second:,.0f}" if each.tokens_per_second else "",
            each.node or "",
            str(each.attempts),
        )
        for each, name, overrides in zip(seen, short_names([each.run for each in seen]), own, strict=True)
    ]
    shown = format_table(COLUMNS, rows, width, WHERE)
    return shown.append(f"{count_states([each.state for each in seen])}\n", "italic") if len(seen) > 1 else shown


def count_states(states: Sequence[str]) -> str:
    """3 finished, 1 failed"""
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def format_duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, as far as there are any."""
    if seconds is None:
        return ""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
