"""Token embeddings and positions."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def sinusoids(length: int, dim: int) -> Float[Tensor, "length dim"]:
    """Sines and cosines of geometrically growing wavelengths (Vaswani et al. 2017, section 3.5).

    The sines fill the first half of the channels and the cosines the second, which is the paper's
    table with its channels in another order.
    """
    rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]


class Embedding(nn.Module):
    """Tokens and their positions as vectors, and back from vectors to logits with the same weights.

    Vectors are scaled by sqrt(dim) on the way in (Vaswani et al. 2017, section 3.4), so that the
    one matrix suits both ends.
    """

    def __init__(self, vocab_size: int, dim: int, max_length: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, dim)
        nn.init.normal_(self.tokens.weight, std=dim**-0.5)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(max_length, dim), persistent=False)
        self.scale = math.sqrt(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Int[Tensor, "batch length"], start: int = 0) -> Float[Tensor, "batch length dim"]:
        """Vectors of ``tokens`` at positions ``start``, ``start + 1``, ...

        Raises ValueError if there are not so many positions.
        """
        if start + tokens.shape[1] > len(self.positions):
            raise ValueError(f"{start + tokens.shape[1]} tokens, but the model reads {len(self.positions)} at most")
        positions = self.positions[start : start + tokens.shape[1]]
        return self.dropout(self.tokens(tokens) * self.scale + positions)

    def logits(self, hidden: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape vocab"]:
        """Scores of every token of the vocabulary, before the softmax."""
        return nn.functional.linear(hidden, self.tokens.weight)
