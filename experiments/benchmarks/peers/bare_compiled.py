"""The bare loops with torch.compile."""

from __future__ import annotations

from peers import bare
from work import Step, Work


def train(work: Work) -> Step:
    """Train the translator."""
    return bare.train(work, compiled=True)


def lm(work: Work) -> Step:
    """Train the language model."""
    return bare.lm(work, compiled=True)
