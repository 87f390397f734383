"""The command that the verbs belong to."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(
    help="Train transformers on text and see what they attend to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time that --help takes
)


def warn(text: str) -> None:
    """A line for the user, beside what a verb gives."""
    print(f"regard: {text}", file=sys.stderr)
