"""The costs of configurations as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from regard.cost.estimate import Cost
from regard.cost.units import format_bytes, format_dollars, format_number, format_seconds
from regard.runs.table import Column, format_table, table_width

NAME = Column("configuration", least=20, keeps_end=True)
WHERE = "--json and --page have them"


def print_costs(costs: Sequence[Cost], console: Console) -> None:
    """Print parameters, memory, FLOPs and prices with one line per configuration, and times by length."""
    width = table_width(console)
    for title, table in (
        ("Parameters", parameter_table(costs, width)),
        ("Memory of a training step", memory_table(costs, width)),
        ("FLOPs, time and price", price_table(costs, width)),
        ("By length of the sequences", length_table(costs, width)),
    ):
        console.print(Text(f"{title}\n", "bold underline"), table, sep="", end="\n", soft_wrap=True)
    for cost in costs:
        notes = [f"does not fit. To make it fit, {cost.advice}"] if cost.advice else []
        for note in (*notes, *cost.notes):
            console.print(f"{cost.name}: {note}", soft_wrap=True, highlight=False, markup=False)


def parameter_table(costs: Sequence[Cost], width: int | None) -> Text:
    """Return a table of the parameters of each part."""
    parts = list(dict.fromkeys(part for cost in costs for part in cost.parameters))
    columns = [NAME, *(Column(name, right=True) for name in ("all", *parts))]
    rows = [
        [cost.name, *(format_number(n) for n in (sum(cost.parameters.values()), *map(cost.parameters.get, parts)))]
        for cost in costs
    ]
    return format_table(columns, rows, width, WHERE)


def memory_table(costs: Sequence[Cost], width: int | None) -> Text:
    """Return a table of the memory of a training step at the length of the run."""
    names = ("length", "sequences", "weights", "gradients", "optimizer", "activations", "peak", "available", "fits")
    columns = [NAME, *(Column(name, right=True) for name in names)]
    rows = []
    for cost in costs:
        run, memory = cost.run, cost.run.memory
        sizes = (memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.peak, cost.available)
        fits = "" if cost.fits is None else "yes" if cost.fits else "no"
        rows.append([cost.name, f"{run.length:,}", f"{run.sequences:,}", *map(format_bytes, sizes), fits])
    return format_table(columns, rows, width, WHERE)


def price_table(costs: Sequence[Cost], width: int | None) -> Text:
    """Return a table of FLOPs, times and prices at the length of the run, and of their growth."""
    names = (
        *("forward/token", "training/token", "step", "tokens/s", "$/M tokens", "$/run", "quadratic from"),
        *("training ~ length^", "generation ~ length^", "device"),
    )
    columns = [NAME, *(Column(name, right=True) for name in names)]
    rows = []
    for cost in costs:
        run = cost.run
        rows.append(
            [
                cost.name,
                *(format_number(flops) for flops in (run.forward_flops, run.training_flops)),
                format_seconds(run.training_seconds),
                format_number(None if run.training_seconds is None else run.tokens / run.training_seconds),
                *(format_dollars(dollars) for dollars in (run.dollars_per_million, run.dollars_per_run)),
                "never" if cost.quadratic_from is None else f"{cost.quadratic_from:,.0f}",
                *(_power(cost.exponents[name]) for name in ("training", "generation")),
                cost.device or "",
            ]
        )
    return format_table(columns, rows, width, WHERE)


def length_table(costs: Sequence[Cost], width: int | None) -> Text:
    """Return a table with a line per configuration and length."""
    names = ("length", "sequences", "step", "tokens/s", "generated token", "peak memory", "cache", "training/token")
    columns = [NAME, *(Column(name, right=True) for name in (*names, "$/M tokens", "$/run"))]
    rows = [
        [
            cost.name,
            f"{at.length:,}",
            f"{at.sequences:,}",
            format_seconds(at.training_seconds),
            format_number(None if at.training_seconds is None else at.tokens / at.training_seconds),
            format_seconds(at.generation_seconds),
            format_bytes(at.memory.peak),
            format_bytes(at.cache),
            format_number(at.training_flops),
            format_dollars(at.dollars_per_million),
            format_dollars(at.dollars_per_run),
        ]
        for cost in costs
        for at in cost.lengths
    ]
    return format_table(columns, rows, width, WHERE)


def _power(value: float | None) -> str:
    return "" if value is None else f"{round(value, 2) + 0.0:.2f}"  # no -0.00
