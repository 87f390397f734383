"""Attention: queries ask, keys answer, values pass (Vaswani et al. 2017, section 3.2).

Masks are boolean and True means *may attend*. The fused kernel does the work; the explicit form,
which is the formula, runs only when somebody asks to see the weights.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from regard.model.recorder import Recorder, Vectors

Queries = Float[Tensor, "batch heads query head_dim"]
Keys = Float[Tensor, "batch groups key head_dim"]
AttentionMask = Bool[Tensor, "#batch #heads #query key"]


def attention_weights(
    query: Queries,
    key: Keys,
    mask: AttentionMask | None = None,
) -> Float[Tensor, "batch heads query key"]:
    """softmax(Q K^T / sqrt(d)), in float32; a query that may attend to nothing gets zeros.

    ``key`` may have fewer heads, each for a group of as many queries.
    """
    key = _for_each(query, key)
    scores = query.float() @ key.float().transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is None:
        return scores.softmax(dim=-1)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    return weights.masked_fill(~mask, 0.0)  # also turns the NaN of a fully masked row into zeros


def attend(
    query: Queries,
    key: Keys,
    value: Keys,
    mask: AttentionMask | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    record: Recorder | None = None,
) -> Queries:
    """softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1).

    ``groups`` divides ``heads``: consecutive heads share a key and a value (Ainslie et al. 2023).
    ``causal`` hides from each query the keys after it, on top of ``mask``. Without ``record`` this is
    PyTorch's fused kernel. With one, the weights are computed explicitly from the very same mask,
    recorded before dropout, and used for the output.
    """
    lengths = query.shape[-2], key.shape[-2]
    grouped = query.shape[1] != key.shape[1]
    if record is None and causal and mask is None and lengths[0] == lengths[1]:
        return scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=dropout, enable_gqa=grouped)
    if causal and lengths[0] > 1:  # a single query is the last one and sees everything
        ahead_hidden = causal_mask(*lengths, query.device)
        mask = ahead_hidden if mask is None else mask & ahead_hidden
    if record is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, enable_gqa=grouped)
    weights = attention_weights(query, key, mask)
    record.attention(weights, Vectors(query, key, value))
    return (torch.dropout(weights, dropout, dropout > 0) @ _for_each(query, value).float()).to(value.dtype)


def _for_each(query: Tensor, shared: Tensor) -> Tensor:
    """Keys or values of groups, repeated for each head of ``query``."""
    return shared.repeat_interleave(query.shape[1] // shared.shape[1], dim=1)


def causal_mask(query: int, key: int, device: torch.device | None = None) -> Bool[Tensor, "1 1 query key"]:
    """Query i of the last ``query`` positions sees every key up to its own: aligned bottom-right."""
    return torch.ones(query, key, dtype=torch.bool, device=device).tril(key - query)[None, None]


class MultiHeadAttention(nn.Module):
    """Attention in several heads, each a projection of its own (Vaswani et al. 2017, section 3.2.2).

    Self-, causal and cross-attention differ only in whose ``keys_values`` are asked and in the mask.
    With fewer ``num_kv_heads``, groups of heads share keys and values (Ainslie et al. 2023).
    """

    def __init__(
        self, dim: int, num_heads: int, num_kv_heads: int | None = None, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        num_kv_heads = num_kv_heads or num_heads
        if dim % num_heads:
            raise ValueError(f"dim {dim} must be a multiple of num_heads {num_heads}")
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads {num_heads} must be a multiple of num_kv_heads {num_kv_heads}")
        self.num_heads, self.num_kv_heads, self.dropout = num_heads, num_kv_heads, dropout
        self.head_dim = dim // num_heads
        self.query = nn.Linear(dim, dim, bias)
        self.key_value = nn.Linear(dim, 2 * num_kv_heads * self.head_dim, bias)
        self.output = nn.Linear(dim, dim, bias)

    def queries(self, x: Float[Tensor, "batch query dim"]) -> Queries:
        """The queries of ``x``, per head."""
        return self._split(self.query(x))

    def keys_values(self, memory: Float[Tensor, "batch key dim"]) -> tuple[Keys, Keys]:
        """The keys and the values of ``memory``, per head (of which there may be ``num_kv_heads``)."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(
        self,
        query: Queries,
        key: Keys,
        value: Keys,
        mask: AttentionMask | None = None,
        causal: bool = False,
        record: Recorder | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """What each ``query`` gets from ``value`` when it asks ``key``."""
        heard = attend(query, key, value, mask, causal, self.dropout if self.training else 0.0, record)
        return self.output(heard.transpose(1, 2).flatten(2))

    def _split(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch heads length head_dim"]:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
