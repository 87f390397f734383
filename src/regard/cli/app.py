"""The command that the verbs belong to."""

from __future__ import annotations

import math
import sys

import typer

app = typer.Typer(
    help="Train transformers on text and see what they attend to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time that --help takes
)


def finite(value: float | None) -> float | None:
    """Callback of an option with a number: refuse NaN and infinity, which no range excludes."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def warn(text: str) -> None:
    """A line for the user, beside what a verb gives."""
    print(f"regard: {text}", file=sys.stderr)
