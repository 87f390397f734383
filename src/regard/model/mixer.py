"""Mixers: what lets the positions of one sequence see each other.

Self-attention is one; whatever keeps the contract ``Mixer`` can stand in for it.
"""

from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.record import Record

State = tuple[Tensor, ...]
"""What a mixer remembers of a sequence: tensors whose first axis is the batch."""

PaddingMask = Bool[Tensor, "batch length"]
"""True at real tokens, False at padding (on the right)."""


class Mixer(Protocol):
    """Mixes along the sequence: a whole one at once, or step by step with an explicit state."""

    def __call__(self, x: Tensor, padding_mask: Tensor | None, record: Record | None = None) -> Tensor:
        """Mix a whole sequence, "batch length dim" to the same."""

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first token, on the device and in the type of ``like``."""

    def extend(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Mix the next tokens in, "batch new dim" to the same; ``state`` is used up."""


class SelfAttention(nn.Module):
    """Self-attention as a mixer; ``causal`` lets a position see itself and what is before it."""

    def __init__(self, dim: int, num_heads: int, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.causal = causal
        self.attention = MultiHeadAttention(dim, num_heads, dropout)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        padding_mask: PaddingMask | None,
        record: Record | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        key, value = self.attention.keys_values(x)
        mask = None if padding_mask is None else padding_mask[:, None, None, :]
        return self.attention(x, key, value, mask, self.causal, record)

    def initial_state(self, batch: int, like: Tensor) -> State:
        heads = self.attention.num_heads
        empty = like.new_empty(batch, heads, 0, self.attention.query.out_features // heads)
        return empty, empty

    def extend(self, x: Float[Tensor, "batch new dim"], state: State) -> tuple[Tensor, State]:
        key, value = self.attention.keys_values(x)
        # The type changes when mixed precision computes in another than the model's: then the state is empty.
        key = torch.cat([state[0].to(key.dtype), key], dim=2)
        value = torch.cat([state[1].to(value.dtype), value], dim=2)
        return self.attention(x, key, value, causal=self.causal), (key, value)
