"""A comparison as a table: on the terminal, and as CSV with all there is."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from regard.runs.compare import Comparison, Spread
from regard.runs.compare_keys import MISSING
from regard.runs.importance import as_key
from regard.runs.jobs_table import COLOURS, count_states_of, duration

KEYS_ON_TERMINAL = 6
"""So many fit beside the rest; the page and the CSV have all."""


def show(comparison: Comparison, console: Console) -> None:
    """Print the runs, best first; where there are seeds, what they have in common below."""
    console.print(of_runs(comparison))
    if any(len(group.runs) > 1 for group in comparison.groups):
        console.print()
        console.print(of_groups(comparison))


def of_runs(comparison: Comparison) -> Table:
    """A line a run."""
    better = "smallest" if comparison.mode == "min" else "largest"
    shown = _table()
    shown.add_column("run", no_wrap=True)
    shown.add_column("state", no_wrap=True)
    for name in (f"{better} {comparison.metric}", "at step"):
        shown.add_column(escape(name), justify="right", no_wrap=True)
    keys = comparison.columns[:KEYS_ON_TERMINAL]
    for key in keys:
        shown.add_column(escape(key), overflow="fold")
    for name in ("step", "time", "tokens/s", "parameters"):
        shown.add_column(name, justify="right", no_wrap=True)
    for run in comparison.runs:
        best = run.best(comparison.metric, comparison.mode)
        shown.add_row(
            escape(run.name),
            f"[{COLOURS.get(run.state, 'default')}]{escape(run.state)}[/]",
            "" if best is None else f"{best[0]:.5g}",
            "" if best is None else f"{best[1]:,}",
            *(escape(_short(run.config.get(key, MISSING))) for key in keys),
            "" if run.step is None else f"{run.step:,}",
            duration(run.seconds),
            "" if run.tokens_per_second is None else f"{run.tokens_per_second:,.0f}",
            "" if run.parameters is None else f"{run.parameters:,}",
        )
    left_out = comparison.columns[KEYS_ON_TERMINAL:]
    more = f"; also different: {', '.join(left_out)}" if left_out else ""
    shown.caption = escape(count_states_of([run.state for run in comparison.runs]) + more)
    shown.caption_justify = "left"
    return shown


def of_groups(comparison: Comparison) -> Table:
    """A line for all runs that differ in their seed alone."""
    tests = [name for name in comparison.metrics if name.startswith("test/")]
    finals = tests or [name for name in comparison.metrics if name.startswith("validation/")]
    keys = [key for key in comparison.columns if key != "seed"][:KEYS_ON_TERMINAL]
    shown = _table()
    shown.add_column("finished", justify="right", no_wrap=True)
    for key in keys:
        shown.add_column(escape(key), overflow="fold")
    for name in (f"best {comparison.metric}", *(f"final {name}" for name in finals)):
        shown.add_column(escape(name), justify="right")
    for group in comparison.groups:
        finished = sum(run.state == "finished" for run in group.runs)
        shown.add_row(
            f"{finished} of {len(group.runs)}",
            *(escape(_short(group.runs[0].config.get(key, MISSING))) for key in keys),
            spelt(group.score),
            *(spelt(group.spreads.get(name)) for name in finals),
        )
    shown.caption = "mean ± sample standard deviation over the finished runs that differ in nothing but seed"
    shown.caption_justify = "left"
    return shown


def spelt(spread: Spread | None) -> str:
    """2.31 ± 0.04"""
    if spread is None:
        return ""
    return f"{spread.mean:.5g}" if spread.deviation is None else f"{spread.mean:.5g} ± {spread.deviation:.2g}"


def as_csv(comparison: Comparison) -> str:
    """A row a run, in order: what the table has, every key of ``columns`` and every final metric.

    Cells of what a run does not have are empty.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    best = f"best {comparison.metric}"
    numbers = {id(run): number for number, group in enumerate(comparison.groups, start=1) for run in group.runs}
    writer.writerow(
        ["run", "status", "why", "group", best, "best step", *comparison.columns]
        + [f"final {name}" for name in comparison.metrics]
        + ["step", "wall_seconds", "tokens_per_second", "parameters", "path"]
    )
    for run in comparison.runs:
        value, step = run.best(comparison.metric, comparison.mode) or ("", "")
        final = run.final
        writer.writerow(
            [run.name, run.state, run.why, numbers[id(run)], value, step]
            + [as_text(run.config.get(key, MISSING)) for key in comparison.columns]
            + [final.get(name, "") for name in comparison.metrics]
            + [_blank(run.step), _blank(run.seconds), _blank(run.tokens_per_second), _blank(run.parameters)]
            + [str(run.folder.path)]
        )
    return file.getvalue()


def as_text(value: Any) -> str:
    """A value of a configuration to read; nothing for MISSING, a key that the run does not have."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else as_key(value)


def _short(value: Any) -> str:
    """To look at: a number that a search drew is cut to four digits."""
    text = as_text(value)
    return f"{value:.4g}" if isinstance(value, float) and len(text) > 9 else text


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), header_style="bold")


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
