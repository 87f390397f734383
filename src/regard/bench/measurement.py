"""Repeated measurements of one operation."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from regard.cost.timing import repeated_seconds

REPETITIONS = 20
"""Maximum number of measurements of an operation."""


@dataclass(frozen=True)
class Measurement:
    """The speed of an operation on ``sequences`` sequences at once.

    tokens: target or output tokens of one repetition, of all sequences
    repetitions: number of times that were measured, after a warm-up
    seconds: their median; spread: their interquartile range as a share of the median, None for a single one
    flops: useful FLOPs of a repetition
    share: flops_per_second as a share of the speed of the device in the matrix products of the training step
    memory: peak in bytes
    """

    name: str
    sequences: int
    tokens: int
    repetitions: int
    seconds: float
    spread: float | None
    tokens_per_second: float
    flops: int
    flops_per_second: float
    share: float | None
    memory: int


@dataclass(frozen=True)
class Operation:
    """What is measured; for the other names see `Measurement`."""

    name: str
    sequences: int
    tokens: int
    flops: int
    run: Callable[[], object]

    def measure(self, device: torch.device, seconds: float, speed: float | None, memory: int | None) -> Measurement:
        """Run the operation repeatedly for about ``seconds``. It has run before.

        speed: of the device, in FLOP/s
        memory: predicted peak; None if ``device`` is a GPU that counts it
        """
        if memory is None:
            torch.cuda.reset_peak_memory_stats(device)
        times = repeated_seconds(self.run, device, seconds, REPETITIONS)
        median = statistics.median(times)
        return Measurement(
            name=self.name,
            sequences=self.sequences,
            tokens=self.tokens,
            repetitions=len(times),
            seconds=median,
            spread=spread(times),
            tokens_per_second=self.tokens / median,
            flops=self.flops,
            flops_per_second=self.flops / median,
            share=None if speed is None else self.flops / median / speed,
            memory=torch.cuda.max_memory_allocated(device) if memory is None else memory,
        )


def spread(times: list[float]) -> float | None:
    """Return the interquartile range as a share of the median; None for a single time."""
    if len(times) < 2:
        return None
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return (high - low) / median
