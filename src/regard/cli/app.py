"""The typer application that the verbs are added to."""

from __future__ import annotations

import math
import sys

import typer

app = typer.Typer(
    help="Train transformers on text and see what they attend to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time of --help
)


def finite(value: float | None) -> float | None:
    """Callback of an option: refuse NaN and infinity, which typer's ranges do not exclude."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def warn(text: str) -> None:
    """Print a message to stderr."""
    print(f"regard: {text}", file=sys.stderr)
