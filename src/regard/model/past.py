"""The past of the rows that a decoder extends, and the cache of its keys and values.

A beam search extends several rows for each sentence. If one of them continues another, their keys and values are not
copied: the rows of a sentence share one cache, and each attends to those that belong to its own prefix.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from regard.model.attention import AttentionMask, Keys, causal_mask

Origins = Int[Tensor, "sentences rows length"]
"""The row of its sentence that read each position of a prefix."""


Length = int | Int[Tensor, "1"]
"""A number of positions; a tensor in a step that is recorded to be replayed at other positions."""


class Past(NamedTuple):
    """What rows have read before the positions that they read next.

    length: number of positions, the same for all rows
    mask: if rows share caches, what each next position of each row may attend to: the queries of a sentence, and its
        keys, are in the order of positions, and those of a position in the order of rows. If ``length`` is a tensor,
        which positions of its cache each row may attend to. None if each row has a cache and may attend to all of it.
    """

    length: Length
    mask: Bool[Tensor, "sentences 1 query key"] | None = None


class KeyValueCache(NamedTuple):
    """Keys and values of the positions so far, and room for more. Rows that share it are next to each other."""

    keys: Float[Tensor, "batch heads capacity head_dim"]
    values: Float[Tensor, "batch heads capacity head_dim"]

    @property
    def capacity(self) -> int:
        """Number of positions that it has room for."""
        return self.keys.shape[2]

    def write(self, keys: Keys, values: Keys, end: Length) -> "KeyValueCache":
        """Return a cache with new keys and values before ``end``. ``self`` is consumed.

        If ``end`` is a tensor, there must be room for them.
        """
        return KeyValueCache(_write(self.keys, keys, end), _write(self.values, values, end))

    def until(self, end: Length) -> tuple[Keys, Keys]:
        """Return the keys and values before ``end``; if it is a tensor, all, and a mask excludes those after it."""
        if isinstance(end, Tensor):
            return self.keys, self.values
        return self.keys[:, :, :end], self.values[:, :, :end]

    def copy(self, end: int, capacity: int) -> "KeyValueCache":
        """Return a copy of the keys and values before ``end``, with room for ``capacity`` positions."""
        return KeyValueCache(*(_copy(cache, cache, end, capacity) for cache in self))


def _write(cache: Tensor, new: Keys, end: Length) -> Tensor:
    """Write ``new`` in place, unless the cache is full: one of twice the capacity then replaces it.

    In mixed precision, the first keys have another dtype than the empty cache that they replace.
    """
    if isinstance(end, Tensor):
        return cache.index_copy_(2, torch.arange(-new.shape[2], 0, device=end.device) + end, new)
    start, capacity = end - new.shape[2], cache.shape[2]
    if end > capacity:
        cache = _copy(cache, new, start, max(end, 2 * capacity))
    cache[:, :, start:end] = new
    return cache


def _copy(cache: Tensor, like: Tensor, end: int, capacity: int) -> Tensor:
    """Return a copy of ``cache`` before ``end``, with room for ``capacity`` positions and the dtype of ``like``."""
    # Zeros, since a step that is replayed also reads what is behind ``end``, with weights of zero.
    copy = like.new_zeros(*like.shape[:2], capacity, like.shape[3])
    if end:
        copy[:, :, :end] = cache[:, :, :end]
    return copy


def read_next(origins: Origins, new: int) -> Int[Tensor, "sentences rows new_length"]:
    """Return ``origins`` after each row has read ``new`` positions."""
    sentences, rows, _ = origins.shape
    itself = torch.arange(rows, device=origins.device)[:, None].expand(sentences, rows, new)
    return torch.cat([origins, itself], dim=2)


def shared_mask(origins: Origins, new: int) -> AttentionMask:
    """Return the mask of the last ``new`` positions, see `Past`: each attends to its own prefix, up to itself."""
    rows, length = origins.shape[1:]
    belongs = origins[..., None] == torch.arange(rows, device=origins.device)
    not_ahead = causal_mask(new, length, origins.device)[0, :, :, None, :, None]
    return (belongs[:, None] & not_ahead).flatten(3).flatten(1, 2)[:, None]
