"""Perplexity, computed in the same way everywhere."""

from __future__ import annotations

import math

LARGEST_LOSS = 88.72
"""exp of a larger loss exceeds the range of float32, in which Lightning logs metrics."""


def perplexity(loss: float) -> float:
    """Compute exp(loss) of a mean loss in nats per token; inf for a loss above ``LARGEST_LOSS``, NaN for NaN."""
    return math.inf if loss > LARGEST_LOSS else math.exp(loss)
