"""Mixers exchange information between the positions of a sequence.

Self-attention is one; any class with the methods of the protocol ``Mixer`` can replace it.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.past import KeyValueCache, Past
from regard.model.positions import NoRotation
from regard.model.recorder import Recorder

State = tuple[Tensor, ...] | KeyValueCache
"""State of a mixer after a prefix: tensors whose first axis is the batch, or a cache that rows may share."""

SequenceMask = Bool[Tensor, "batch #query length"]
"""True where a position may attend: one row for all positions (right padding) or one row for each (documents)."""


class Mixer(Protocol):
    """Mixes the positions of a sequence: a whole sequence at once, or step by step with an explicit state."""

    def __call__(self, x: Tensor, mask: Tensor | None, record: Recorder | None = None) -> Tensor:
        """Mix a whole sequence; input and output are "batch length dim", ``mask`` is a `SequenceMask`."""

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return the state before the first token, with the device and dtype of ``like``."""

    def extend(self, x: Tensor, state: State, past: Past) -> tuple[Tensor, State]:
        """Mix the next positions, after ``past``; input and output are "batch new dim". ``state`` is consumed."""


MixerFactory = Callable[..., Mixer]
"""Makes a mixer from ``dim``, ``num_heads`` and ``causal``; in the configuration, a partial."""


@runtime_checkable
class MixerByLayer(Protocol):
    """Layers of a stack that have different mixers."""

    def of_layer(self, number: int) -> MixerFactory:
        """Return the factory of the mixer of a layer, by its number in the stack, from 0."""


class SelfAttention(nn.Module):
    """Self-attention as a mixer. With ``causal``, a position attends only to itself and to earlier positions.

    num_kv_heads: if fewer than ``num_heads``, heads share keys and values, and the state is smaller
    rotation: makes the module that rotates queries and keys by position (`regard.model.positions.Rotary`)
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        causal: bool,
        num_kv_heads: int | None = None,
        rotation: Callable[[int], nn.Module] = NoRotation,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.attention = MultiHeadAttention(dim, num_heads, num_kv_heads, dropout, bias)
        self.rotation = rotation(self.attention.head_dim)

    def forward(
        self, x: Float[Tensor, "batch length dim"], mask: SequenceMask | None, record: Recorder | None = None
    ) -> Float[Tensor, "batch length dim"]:
        key, value = self.attention.keys_values(x)
        query, key = self.rotation(self.attention.queries(x)), self.rotation(key)
        return self.attention(query, key, value, None if mask is None else mask[:, None], self.causal, record)

    def initial_state(self, batch: int, like: Tensor) -> State:
        empty = like.new_empty(batch, self.attention.num_kv_heads, 0, self.attention.head_dim)
        return KeyValueCache(empty, empty)

    def extend(self, x: Float[Tensor, "batch new dim"], state: State, past: Past) -> tuple[Tensor, State]:
        key, value = self.attention.keys_values(x)
        query, key = self.rotation(self.attention.queries(x), past.length), self.rotation(key, past.length)
        end = past.length + x.shape[1]
        if past.mask is None:
            cache = KeyValueCache(*state).write(key, value, end)
            return self.attention(query, *cache.until(end), causal=self.causal), cache
        sentences, rows = len(past.mask), len(x) // len(past.mask)
        query, key, value = (_join_rows(each, sentences) for each in (query, key, value))
        cache = KeyValueCache(*state).write(key, value, end * rows)
        attended = self.attention(query, *cache.until(end * rows), past.mask)
        return attended.unflatten(1, (-1, rows)).transpose(1, 2).flatten(0, 1), cache


def _join_rows(
    heads: Float[Tensor, "batch heads new head_dim"], sentences: int
) -> Float[Tensor, "sentences heads joined head_dim"]:
    """Return the positions of all rows of a sentence as one sequence, in the order of `Past`."""
    return heads.unflatten(0, (sentences, -1)).permute(0, 2, 3, 1, 4).flatten(2, 3)
