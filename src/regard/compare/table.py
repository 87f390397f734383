"""A comparison as a table for the terminal, and as CSV with all columns."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.console import Console
from rich.text import Text

from regard.compare.comparison import Aggregate, Comparison
from regard.compare.flat_config import canonical_text
from regard.compare.keys import MISSING
from regard.launch.jobs_table import count_states, format_duration, state_style
from regard.runs.table import Column, format_table, table_width

KEYS_ON_TERMINAL = 6
"""Number of configuration keys in the table; the page and the CSV have all."""

KEY_WIDTH = 10
WHERE = "the page and --csv have them"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the runs, best first, and the means over seeds if there are several seeds."""
    parts = [run_table(comparison, table_width(console))]
    if any(len(group.runs) > 1 for group in comparison.groups):
        parts += [Text("\n"), group_table(comparison, table_width(console))]
    for part in parts:
        console.print(part, end="", soft_wrap=True)


def run_table(comparison: Comparison, width: int | None) -> Text:
    """Return a table with a line per run and the counts of states, in ``width`` cells, or unlimited (None)."""
    better = "smallest" if comparison.mode == "min" else "largest"
    keys = comparison.columns[:KEYS_ON_TERMINAL]
    columns = [
        Column("run", least=25, keeps_end=True),
        Column("state", style=state_style),
        *(Column(name, right=True) for name in (f"{better} {comparison.metric}", "at step")),
        *(Column(key, least=KEY_WIDTH) for key in keys),
        *(Column(name, right=True) for name in ("step", "time", "tokens/s", "parameters")),
    ]
    rows = []
    for run in comparison.runs:
        best = run.best(comparison.metric, comparison.mode)
        rows.append(
            [
                run.name,
                run.state,
                "" if best is None else f"{best[0]:.5g}",
                "" if best is None else f"{best[1]:,}",
                *(_short(run.config.get(key, MISSING)) for key in keys),
                "" if run.step is None else f"{run.step:,}",
                format_duration(run.seconds),
                "" if run.tokens_per_second is None else f"{run.tokens_per_second:,.0f}",
                "" if run.parameters is None else f"{run.parameters:,}",
            ]
        )
    left_out = comparison.columns[KEYS_ON_TERMINAL:]
    more = f"; other keys that differ: {', '.join(left_out)}" if left_out else ""
    counted = count_states([run.state for run in comparison.runs]) + more
    return format_table(columns, rows, width, WHERE).append(f"{counted}\n", "italic")


def group_table(comparison: Comparison, width: int | None) -> Text:
    """Return a table with a line per group of seeds, in ``width`` cells, or unlimited (None)."""
    tests = [name for name in comparison.metrics if name.startswith("test/")]
    finals = tests or [name for name in comparison.metrics if name.startswith("validation/")]
    keys = [key for key in comparison.columns if key != "seed"][:KEYS_ON_TERMINAL]
    columns = [
        Column("finished", right=True),
        *(Column(key, least=KEY_WIDTH) for key in keys),
        *(Column(name, right=True) for name in (f"best {comparison.metric}", *(f"final {name}" for name in finals))),
    ]
    rows = [
        [
            f"{sum(run.state == 'finished' for run in group.runs)} of {len(group.runs)}",
            *(_short(group.runs[0].config.get(key, MISSING)) for key in keys),
            aggregate_text(group.score),
            *(aggregate_text(group.aggregates.get(name)) for name in finals),
        ]
        for group in comparison.groups
    ]
    meaning = "mean ± sample standard deviation over the finished runs that differ in the seed only"
    return format_table(columns, rows, width, WHERE).append(f"{meaning}\n", "italic")


def aggregate_text(aggregate: Aggregate | None) -> str:
    """Format mean and standard deviation: ``2.31 ± 0.04``."""
    if aggregate is None:
        return ""
    deviation = "" if aggregate.deviation is None else f" ± {aggregate.deviation:.2g}"
    return f"{aggregate.mean:.5g}{deviation}"


def as_csv(comparison: Comparison) -> str:
    """Return a row per run, in order: the columns of the table, every key of ``columns`` and every final metric.

    Cells of missing values are empty.
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
    """Format a value of a configuration; empty for MISSING, a key that the run does not have."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else canonical_text(value)


def _short(value: Any) -> str:
    """Format a value for the terminal: long numbers, as drawn by a search, are rounded to four digits."""
    text = as_text(value)
    return f"{value:.4g}" if isinstance(value, float) and len(text) > 9 else text


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
