"""How images are drawn."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Solver = Literal["euler", "heun"]
SOLVERS: tuple[Solver, ...] = get_args(Solver)


class Drawing(NamedTuple):
    """Settings of `regard.inference.drawing.rectified_flow.draw`.

    steps: number of steps from noise to image
    guidance: weight of the prompt: the difference to the prediction without prompt is multiplied by it
        (classifier-free guidance, Ho and Salimans 2022); 1 for no guidance
    solver: ``euler``, or ``heun``, which evaluates each step but the last twice (Karras et al. 2022, algorithm 1)
    """

    steps: int = 20
    guidance: float = 3.0
    solver: Solver = "euler"
