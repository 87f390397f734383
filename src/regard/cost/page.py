"""The page of costs: curves of time and memory over the length of the sequences, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.cost.estimate import Cost, LengthCost
from regard.observe.draw.plotly_page import write_plotly_page


def write_page(path: Path, costs: Sequence[Cost]) -> None:
    """Write the page. Raises OSError if it cannot be written."""
    devices = sorted({cost.device for cost in costs if cost.device is not None})
    count = len(costs)
    measured = f"; times measured on {', '.join(devices)}" if devices else ""
    subtitle = f"{count} configuration{'s' * (count != 1)}{measured}"
    write_plotly_page(path, "cost.html.jinja", "Cost of configurations", subtitle, {"runs": [_run(c) for c in costs]})


def _run(cost: Cost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "parameters": dict(cost.parameters),
        "total": sum(cost.parameters.values()),
        "device": cost.device,
        "available": cost.available,
        "precision": cost.precision,
        "fits": cost.fits,
        "quadraticFrom": cost.quadratic_from,
        "exponents": dict(cost.exponents),
        "own": _length(cost.run),
        "lengths": [_length(at) for at in cost.lengths],
        "notes": [*([f"does not fit. To make it fit, {cost.advice}"] if cost.advice else []), *cost.notes],
    }


def _length(at: LengthCost) -> dict[str, Any]:
    memory, step = at.memory, at.training_seconds
    return {
        "length": at.length,
        "sequences": at.sequences,
        "forward": at.forward_flops,
        "training": at.training_flops,
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "activations": memory.activations,
        "perSequence": memory.activations / at.sequences,
        "peak": memory.peak,
        "cache": at.cache,
        "step": step,
        "sequence": None if step is None else step * at.length / at.tokens,
        "token": at.generation_seconds,
        "speed": None if step is None else at.tokens / step,
        "million": at.dollars_per_million,
        "run": at.dollars_per_run,
    }
