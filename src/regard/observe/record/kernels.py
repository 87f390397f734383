"""The kernels of a mixer: what each channel remembers, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

RANGES = 256
"""Maximum number of ranges of distances."""

MEMORY_SHARE = 0.95


class Kernels(NamedTuple):
    """The kernels of all channels of a mixer, by ranges of distances that become longer with the distance.

    A kernel is the response of an output to an input, by the distance between them. The first direction is that of
    earlier inputs, from distance 0; the second, if any, that of later inputs, from distance 1.

    starts: first index of each range on the axis of distances, and at the end the number of distances
    low, high: smallest and largest value in each range
    memory: distance within which MEMORY_SHARE of the sum of all absolute values lies
    """

    starts: Int[np.ndarray, "ranges+1"]
    low: Float[np.ndarray, "directions channels ranges"]
    high: Float[np.ndarray, "directions channels ranges"]
    memory: Int[np.ndarray, "directions channels"]

    @property
    def is_exact(self) -> bool:
        """Whether every range is a single distance."""
        return len(self.starts) == self.starts[-1] + 1

    @property
    def longest_first(self) -> Int[np.ndarray, "channels"]:
        """The channels in the order of their memory, added up over both directions."""
        return np.argsort(-self.memory.sum(axis=0), kind="stable")


def summarize_kernels(kernels: Float[np.ndarray, "directions channels distance"], ranges: int = RANGES) -> Kernels:
    """Reduce kernels to at most ``ranges`` ranges of distances. Values that are not finite become 0."""
    kernels = np.nan_to_num(kernels, nan=0.0, posinf=0.0, neginf=0.0)
    starts = distance_ranges(kernels.shape[-1], ranges)
    sums = np.abs(kernels, dtype=np.float64).cumsum(axis=-1)
    memory = (sums >= MEMORY_SHARE * sums[..., -1:]).argmax(axis=-1) + np.arange(len(kernels))[:, None]
    low, high = (extreme.reduceat(kernels, starts[:-1], axis=-1) for extreme in (np.minimum, np.maximum))
    return Kernels(starts, low, high, memory)


def distance_ranges(count: int, most: int) -> Int[np.ndarray, "ranges+1"]:
    """Divide ``count`` distances into at most ``most`` ranges: single ones, or of lengths that grow geometrically.

    Returns the first index of each range, and ``count``.
    """
    if count <= most:
        return np.arange(count + 1)
    return np.unique(np.rint(np.geomspace(1, count + 1, most + 1)).astype(int)) - 1
