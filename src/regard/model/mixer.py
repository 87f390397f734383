"""Mixers exchange information between the positions of a sequence.

Self-attention is one; any class with the methods of the protocol ``Mixer`` can replace it.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.positions import NoRotation
from regard.model.recorder import Recorder

State = tuple[Tensor, ...]
"""State of a mixer after a prefix: tensors whose first axis is the batch."""

SequenceMask = Bool[Tensor, "batch #query length"]
"""True where a position may attend: one row for all positions (right padding) or one row for each (documents)."""


class Mixer(Protocol):
    """Mixes the positions of a sequence: a whole sequence at once, or step by step with an explicit state."""

    def __call__(self, x: Tensor, mask: Tensor | None, record: Recorder | None = None) -> Tensor:
        """Mix a whole sequence; input and output are "batch length dim", ``mask`` is a `SequenceMask`."""

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return the state before the first token, with the device and dtype of ``like``."""

    def extend(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Mix the next positions; input and output are "batch new dim". ``state`` is consumed."""


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
        queries, groups = self.attention.num_heads, self.attention.num_kv_heads
        rotated, value = self.attention.queries_keys_values(x).split([queries + groups, groups], dim=1)
        query, key = self.rotation(rotated).split([queries, groups], dim=1)
        return self.attention(query, key, value, None if mask is None else mask[:, None], self.causal, record)

    def initial_state(self, batch: int, like: Tensor) -> State:
        empty = like.new_empty(batch, self.attention.num_kv_heads, 0, self.attention.head_dim)
        return empty, empty

    def extend(self, x: Float[Tensor, "batch new dim"], state: State) -> tuple[Tensor, State]:
        start = state[0].shape[2]
        key, value = self.attention.keys_values(x)
        query, key = self.rotation(self.attention.queries(x), start), self.rotation(key, start)
        # In mixed precision the dtype of the first keys differs from that of the model, and the state is still empty.
        key = torch.cat([state[0].to(key.dtype), key], dim=2)
        value = torch.cat([state[1].to(value.dtype), value], dim=2)
        return self.attention(query, key, value, causal=self.causal), (key, value)
