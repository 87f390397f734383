"""The speed of configurations as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from regard.bench.bench import Bench
from regard.cost.units import format_bytes, format_number, format_seconds
from regard.runs.table import Column, format_table, table_width

NAMES = ("sequences", "tokens", "time", "spread", "repetitions", "tokens/s", "FLOP/s", "of matmul", "memory")
COLUMNS = [
    Column("configuration", least=20, keeps_end=True),
    Column("operation"),
    *(Column(n, right=True) for n in NAMES),
]


def print_benches(benches: Sequence[Bench], console: Console) -> None:
    """Print a line per configuration and operation, and below the table what holds for all lines of one."""
    console.print(bench_table(benches, table_width(console)), end="\n", soft_wrap=True)
    for each in benches:
        for line in (*_summary(each), *each.notes):
            console.print(f"{each.name}: {line}", soft_wrap=True, highlight=False, markup=False)


def bench_table(benches: Sequence[Bench], width: int | None) -> Text:
    """Return a table with a line per configuration and operation."""
    rows = [
        [
            each.name,
            at.name,
            f"{at.sequences:,}",
            f"{at.tokens:,}",
            format_seconds(at.seconds),
            "" if at.spread is None else f"{at.spread:.0%}",
            f"{at.repetitions}",
            format_number(at.tokens_per_second),
            format_number(at.flops_per_second),
            "" if at.share is None else f"{at.share:.1%}",
            format_bytes(at.memory),
        ]
        for each in benches
        for at in each.measurements
    ]
    return format_table(COLUMNS, rows, width, "--json has them")


def _summary(each: Bench) -> list[str]:
    lines = [
        f"{each.device}, torch {each.torch}, {each.precision}, {format_number(each.parameters)} parameters, "
        f"sequences of {each.length:,} tokens, peak resident memory {format_bytes(each.resident_memory)}"
    ]
    if each.matmul_flops_per_second is not None:
        lines.append(
            f"matrix products of the training step, each alone: {format_number(each.matmul_flops_per_second, 'FLOP/s')}"
        )
    if each.compilation_seconds is not None:
        lines.append(f"first training step, with compilation: {format_seconds(each.compilation_seconds)}")
    return lines
