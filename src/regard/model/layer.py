"""One layer: mix along the sequence, ask the memory if there is one, think about it."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from regard.model.attention import MultiHeadAttention
from regard.model.mixer import Mixer, PaddingMask, State
from regard.model.record import Record

MixerFactory = Callable[..., Mixer]
"""Makes a mixer from ``dim``, ``num_heads`` and ``causal``: a partial in the config."""

Memory = tuple[Float[Tensor, "batch heads source head_dim"], Float[Tensor, "batch heads source head_dim"]]
"""Keys and values of the encoded source, projected once per sentence."""


class FeedForward(nn.Sequential):
    """max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017, section 3.3)."""

    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))


class Layer(nn.Module):
    """A pre-norm residual layer (Xiong et al. 2020, figure 1b): x + f(norm(x)) for each part f.

    The parts are the mixer, cross-attention when ``cross`` is true, and the feed-forward network.
    """

    def __init__(
        self, dim: int, num_heads: int, ffn_dim: int, dropout: float, mixer: MixerFactory, causal: bool, cross: bool
    ) -> None:
        super().__init__()
        self.mixer_norm = nn.LayerNorm(dim)
        self.mixer = mixer(dim=dim, num_heads=num_heads, causal=causal)
        self.cross_norm = nn.LayerNorm(dim) if cross else None
        self.cross = MultiHeadAttention(dim, num_heads) if cross else None
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, ffn_dim)
        self.dropout = nn.Dropout(dropout)

    def memory(self, encoded: Float[Tensor, "batch source dim"]) -> Memory | None:
        """Keys and values of the encoded source, for this layer's cross-attention."""
        return None if self.cross is None else self.cross.keys_values(encoded)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        padding_mask: PaddingMask | None,
        memory: Memory | None = None,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
        record: Record | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """A whole sequence at once."""
        mixed = self.mixer(self.mixer_norm(x), padding_mask, record and record.under("self"))
        return self._after_mixing(x + self.dropout(mixed), memory, memory_mask, record)

    def extend(
        self,
        x: Float[Tensor, "rows new dim"],
        state: State,
        memory: Memory | None = None,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> tuple[Float[Tensor, "rows new dim"], State]:
        """The next positions of a sequence whose past is ``state``, which is used up."""
        mixed, state = self.mixer.extend(self.mixer_norm(x), state)
        return self._after_mixing(x + self.dropout(mixed), memory, memory_mask, None), state

    def _after_mixing(
        self, x: Tensor, memory: Memory | None, memory_mask: Tensor | None, record: Record | None
    ) -> Tensor:
        if self.cross is not None and self.cross_norm is not None and memory is not None:
            heard = self.cross(self.cross_norm(x), *memory, memory_mask, record=record and record.under("cross"))
            x = x + self.dropout(heard)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
