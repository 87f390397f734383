"""Learning-rate schedules: the factor on the base learning rate at each optimizer step.

Each function returns a plain function of the step. Checkpoints do not store it: a resumed run follows the schedule of
its configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def cosine(warmup_steps: int, total_steps: int, final: float = 0.0) -> Schedule:
    """Linear warm-up to 1, then cosine decay to ``final`` at ``total_steps`` (Loshchilov and Hutter 2017)."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return factor


def inverse_square_root(warmup_steps: int) -> Schedule:
    """Linear warm-up to 1, then decay with the inverse square root of the step (Vaswani et al. 2017, section 5.3)."""
    warmup_steps = max(1, warmup_steps)

    def factor(step: int) -> float:
        return min((step + 1) / warmup_steps, math.sqrt(warmup_steps / (step + 1)))

    return factor


def constant(warmup_steps: int = 0) -> Schedule:
    """Linear warm-up to 1, then constant."""

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / max(1, warmup_steps))

    return factor
