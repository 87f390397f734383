"""Attention: queries ask, keys answer, values pass (Vaswani et al. 2017, section 3.2).

Masks are boolean and True means *may attend*. The fused kernel does the work; the explicit form,
which is the formula, runs only when somebody asks to see the weights.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from regard.model.record import Record

Heads = Float[Tensor, "batch heads length head_dim"]
Mask = Bool[Tensor, "#batch #heads #query key"]


def attention_weights(
    query: Float[Tensor, "batch heads query head_dim"],
    key: Float[Tensor, "batch heads key head_dim"],
    mask: Mask | None = None,
) -> Float[Tensor, "batch heads query key"]:
    """softmax(Q K^T / sqrt(d)), in float32; a query that may attend to nothing gets zeros."""
    scores = query.float() @ key.float().transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is None:
        return scores.softmax(dim=-1)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    return weights.masked_fill(~mask, 0.0)  # also turns the NaN of a fully masked row into zeros


def attend(
    query: Float[Tensor, "batch heads query head_dim"],
    key: Float[Tensor, "batch heads key head_dim"],
    value: Float[Tensor, "batch heads key head_dim"],
    mask: Mask | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    record: Record | None = None,
) -> Float[Tensor, "batch heads query head_dim"]:
    """softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1).

    ``causal`` hides from each query the keys after it, on top of ``mask``. Without ``record`` this is
    PyTorch's fused kernel. With one, the weights are computed explicitly from the very same mask,
    recorded before dropout, and used for the output.
    """
    lengths = query.shape[-2], key.shape[-2]
    if record is None and causal and mask is None and lengths[0] == lengths[1]:
        return scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=dropout)
    if causal and lengths[0] > 1:  # a single query is the last one and sees everything
        ahead_hidden = causal_mask(*lengths, query.device)
        mask = ahead_hidden if mask is None else mask & ahead_hidden
    if record is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    weights = attention_weights(query, key, mask)
    record.add(weights)
    return (torch.dropout(weights, dropout, dropout > 0) @ value.float()).to(value.dtype)


def causal_mask(query: int, key: int, device: torch.device | None = None) -> Bool[Tensor, "1 1 query key"]:
    """Query i of the last ``query`` positions sees every key up to its own: aligned bottom-right."""
    return torch.ones(query, key, dtype=torch.bool, device=device).tril(key - query)[None, None]


class MultiHeadAttention(nn.Module):
    """Attention in several heads, each a projection of its own (Vaswani et al. 2017, section 3.2.2).

    Self-, causal and cross-attention differ only in whose ``keys_values`` are asked and in the mask.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} must be a multiple of num_heads {num_heads}")
        self.num_heads, self.dropout = num_heads, dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)

    def keys_values(self, memory: Float[Tensor, "batch length dim"]) -> tuple[Heads, Heads]:
        """The keys and the values of ``memory``, per head."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(
        self,
        x: Float[Tensor, "rows query dim"],
        key: Heads,
        value: Heads,
        mask: Mask | None = None,
        causal: bool = False,
        record: Record | None = None,
    ) -> Float[Tensor, "rows query dim"]:
        """What each position of ``x`` gets from ``value`` when it asks ``key``.

        ``rows`` may be a multiple of the keys' batch: then consecutive rows (the beams of a
        sentence) ask the keys of one sentence, which are not copied for it.
        """
        asked = x.reshape(key.shape[0], -1, x.shape[-1])
        dropout = self.dropout if self.training else 0.0
        heard = attend(self._split(self.query(asked)), key, value, mask, causal, dropout, record)
        return self.output(heard.transpose(1, 2).reshape(x.shape))

    def _split(self, x: Float[Tensor, "batch length dim"]) -> Heads:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
