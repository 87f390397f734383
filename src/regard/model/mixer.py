"""Mixers: what lets the positions of one sequence see each other.

Self-attention is one; whatever keeps the contract ``Mixer`` can stand in for it.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.positions import NoRotation
from regard.model.recorder import Recorder

State = tuple[Tensor, ...]
"""What a mixer remembers of a sequence: tensors whose first axis is the batch."""

SequenceMask = Bool[Tensor, "batch #query length"]
"""True where a position may look: one row for all positions (padding, on the right) or one for each (documents)."""


class Mixer(Protocol):
    """Mixes along the sequence: a whole one at once, or step by step with an explicit state."""

    def __call__(self, x: Tensor, mask: Tensor | None, record: Recorder | None = None) -> Tensor:
        """Mix a whole sequence, "batch length dim" to the same; ``mask`` is a `SequenceMask`."""

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first token, on the device and in the type of ``like``."""

    def extend(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Mix the next tokens in, "batch new dim" to the same; ``state`` is used up."""


class SelfAttention(nn.Module):
    """Self-attention as a mixer; ``causal`` lets a position see itself and what is before it.

    num_kv_heads: fewer than ``num_heads`` share keys and values between heads, and make the state smaller
    rotation: makes what turns queries and keys by their position (`regard.model.positions.Rotary`)
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
        return empty, empty

    def extend(self, x: Float[Tensor, "batch new dim"], state: State) -> tuple[Tensor, State]:
        start = state[0].shape[2]
        key, value = self.attention.keys_values(x)
        query, key = self.rotation(self.attention.queries(x), start), self.rotation(key, start)
        # The type changes when mixed precision computes in another than the model's: then the state is empty.
        key = torch.cat([state[0].to(key.dtype), key], dim=2)
        value = torch.cat([state[1].to(value.dtype), value], dim=2)
        return self.attention(query, key, value, causal=self.causal), (key, value)
