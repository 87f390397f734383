"""Attention: queries ask, keys answer, values pass (Vaswani et al. 2017, section 3.2).

Masks are boolean, and True means *may attend*. Attention runs in PyTorch's fused kernel. The explicit formula is used
only if the weights are recorded.
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
    """Compute softmax(Q K^T / sqrt(d)) in float32. The weights of a query that may attend to no key are zeros.

    ``key`` may have fewer heads than ``query``: each is shared by a group of consecutive query heads.
    """
    key = _repeat_groups(key, query)
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
    """Compute softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1).

    ``groups`` divides ``heads``: consecutive heads share keys and values (Ainslie et al. 2023). With ``causal``, each
    query also does not attend to the keys after it. Without ``record``, this calls PyTorch's fused kernel. With it, the
    weights are computed explicitly from the same mask, recorded before dropout, and used for the output.
    """
    lengths = query.shape[-2], key.shape[-2]
    grouped = query.shape[1] != key.shape[1]
    if record is None and causal and mask is None and lengths[0] == lengths[1]:
        return scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=dropout, enable_gqa=grouped)
    if causal and lengths[0] > 1:  # a single query is at the last position and may attend to all keys
        not_ahead = causal_mask(*lengths, query.device)
        mask = not_ahead if mask is None else mask & not_ahead
    if record is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, enable_gqa=grouped)
    weights = attention_weights(query, key, mask)
    record.attention(weights, Vectors(query, key, value))
    return (torch.dropout(weights, dropout, dropout > 0) @ _repeat_groups(value, query).float()).to(value.dtype)


def _repeat_groups(shared: Tensor, query: Tensor) -> Tensor:
    """Keys or values of groups, repeated for each head of ``query``."""
    return shared.repeat_interleave(query.shape[1] // shared.shape[1], dim=1)


def causal_mask(query: int, key: int, device: torch.device | None = None) -> Bool[Tensor, "1 1 query key"]:
    """Return the mask in which each query attends to the keys up to its own position.

    Queries are at the last ``query`` of the ``key`` positions: the mask is aligned bottom-right.
    """
    return torch.ones(query, key, dtype=torch.bool, device=device).tril(key - query)[None, None]


class MultiHeadAttention(nn.Module):
    """Multi-head attention: each head has its own projections (Vaswani et al. 2017, section 3.2.2).

    Self-, causal and cross-attention differ only in the sequence that ``keys_values`` are computed from and in the
    mask. With fewer ``num_kv_heads`` than heads, groups of heads share keys and values (Ainslie et al. 2023).
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
        """Project ``x`` to queries per head."""
        return self._split(self.query(x))

    def keys_values(self, memory: Float[Tensor, "batch key dim"]) -> tuple[Keys, Keys]:
        """Project ``memory`` to keys and values for each of ``num_kv_heads`` heads."""
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
        """Compute the output of multi-head attention for each query."""
        attended = attend(query, key, value, mask, causal, self.dropout if self.training else 0.0, record)
        return self.output(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch heads length head_dim"]:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
