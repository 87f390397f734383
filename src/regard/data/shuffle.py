"""The random order of an epoch, computed a pool at a time and never held as a whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regard.data.batching import Indices

GROUP_SIZE = 256
"""Number of neighbouring items that are always in the same pool."""

GROUPS_PER_POOL = 512
"""The most groups that a pool consists of: 131,072 items, which is what a plan holds in memory at a time."""


class Shuffle(NamedTuple):
    """The order of the items 0 to ``size`` - 1 in every epoch, as a function of (seed, epoch).

    Groups of 256 neighbouring items are permuted uniformly and dealt out to pools of equal size; the items of a pool
    are then permuted uniformly. The whole order is uniform if there is one pool, that is up to 131,072 items. In a
    larger corpus the place of each item is uniform as well, but neighbours of one group are in the same pool: a batch
    draws from 256 to 512 random places of the corpus. In return a pool reads each of these places once, in sequence.
    """

    size: int
    seed: int

    @property
    def pools(self) -> int:
        """The number of pools, at least 1."""
        return max(1, -(-self._groups // GROUPS_PER_POOL))

    def pool(self, epoch: int, number: int) -> tuple[Indices, np.random.Generator]:
        """The items of one pool in random order, Int64 "items", and a generator for what else is drawn in the pool."""
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(self._groups)
        first, end = (self._groups * bound // self.pools for bound in (number, number + 1))
        items = (order[first:end, None] * GROUP_SIZE + np.arange(GROUP_SIZE)).ravel()
        random = np.random.default_rng([self.seed, epoch, 2 + number])
        return random.permutation(items[items < self.size]), random

    @property
    def _groups(self) -> int:
        return -(-self.size // GROUP_SIZE)


def fixed_sample(count: int, size: int) -> Indices:
    """``size`` of the items 0 to ``count`` - 1 at random, in ascending order; always the same.

    A larger sample contains every smaller one.
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:size])
