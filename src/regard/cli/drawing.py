"""Options of drawing an image, and refusal of options that a model does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from regard.cli.app import finite
from regard.errors import UsageError
from regard.inference.drawing.drawing import Drawing, Solver

DEFAULTS = Drawing()

Guidance = Annotated[
    float | None,
    typer.Option(callback=finite, help="Image models: weight of the prompt; 1 for no guidance. Default: 3."),
]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Image models: number of steps from noise to image. Default: 20.")
]
SolverName = Annotated[
    Solver | None, typer.Option(help="Image models: heun evaluates each step twice. Default: euler.")
]
Seed = Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="Image models: seed of the noise. Default: 0.")]


def drawing_settings(steps: int | None, guidance: float | None, solver: Solver | None) -> Drawing:
    """Return the settings of the options. Raises UsageError if the guidance is out of range."""
    if guidance is not None and guidance <= 0:
        raise UsageError(f"--guidance {guidance} is out of range: expected a number > 0; 1 draws without guidance")
    return Drawing(steps or DEFAULTS.steps, guidance or DEFAULTS.guidance, solver or DEFAULTS.solver)


def refuse(options: Mapping[str, object], noun: str) -> None:
    """Raise UsageError if an option was given that the model, described by ``noun``, does not have."""
    for option, value in options.items():
        if value is not None:
            raise UsageError(f"{option}: {noun} has no such option; leave it out")
