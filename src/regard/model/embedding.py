"""Token embeddings, in and out."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regard.model.positions import Positions

PositionsFactory = Callable[[int, int], nn.Module]
"""Makes what marks vectors with their positions, from ``max_length`` and ``dim``."""


class Embedding(nn.Module):
    """Tokens and their positions as vectors, and back from vectors to logits with the same weights.

    Vectors are scaled by sqrt(dim) on the way in (Vaswani et al. 2017, section 3.4), so that the
    one matrix suits both ends.
    """

    def __init__(self, vocab_size: int, dim: int, max_length: int, dropout: float, positions: PositionsFactory) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, dim)
        nn.init.normal_(self.tokens.weight, std=dim**-0.5)
        self.positions = positions(max_length, dim)
        self.max_length, self.scale = max_length, math.sqrt(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Int[Tensor, "batch length"], start: int = 0, positions: Positions | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Vectors of ``tokens`` at ``positions``, or at ``start``, ``start + 1``, ... if none are given.

        Raises ValueError if there are not so many positions.
        """
        if start + tokens.shape[1] > self.max_length:
            raise ValueError(f"{start + tokens.shape[1]} tokens, but the model reads {self.max_length} at most")
        if positions is None:
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)[None]
        return self.dropout(self.positions(self.tokens(tokens) * self.scale, positions))

    def logits(self, hidden: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape vocab"]:
        """Scores of every token of the vocabulary, before the softmax."""
        return nn.functional.linear(hidden, self.tokens.weight)
