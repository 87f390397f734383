"""The random order of an epoch, computed one pool at a time and never held in memory as a whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regard.data.batching import Indices

GROUP_SIZE = 256
"""Number of neighbouring items that are always in the same pool."""

GROUPS_PER_POOL = 512
"""Maximum number of groups in a pool: 131,072 items, which a plan holds in memory at a time."""


class Shuffle(NamedTuple):
    """The order of the items 0 to ``size`` - 1 in every epoch, as a function of (seed, epoch).

    Groups of 256 neighbouring items are permuted uniformly and distributed to pools of equal size. The items of each
    pool are then permuted uniformly. With one pool, up to 131,072 items, the whole order is uniform. In a larger corpus
    the position of each item is uniform too, but the items of a group are in the same pool: a batch has items from 256
    to 512 random groups. In return, a pool reads each of its groups once, in sequence.
    """

    size: int
    seed: int

    @property
    def pools(self) -> int:
        """The number of pools, at least 1."""
        return max(1, -(-self._groups // GROUPS_PER_POOL))

    def pool(self, epoch: int, number: int) -> tuple[Indices, np.random.Generator]:
        """Return the items of one pool in random order, Int64 "items", and a generator for further random draws."""
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(self._groups)
        first, end = (self._groups * bound // self.pools for bound in (number, number + 1))
        items = (order[first:end, None] * GROUP_SIZE + np.arange(GROUP_SIZE)).ravel()
        random = np.random.default_rng([self.seed, epoch, 2 + number])
        return random.permutation(items[items < self.size]), random

    @property
    def _groups(self) -> int:
        return -(-self.size // GROUP_SIZE)


def fixed_sample(count: int, size: int) -> Indices:
    """Return a random sample of ``size`` of the items 0 to ``count`` - 1, in ascending order. Always the same.

    A larger sample contains every smaller one.
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:size])
