"""Input and output embedding of tokens."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regard.model.dropout import Dropout
from regard.model.output import OutputFactory
from regard.model.positions import Positions

PositionsFactory = Callable[[int, int], nn.Module]
"""Makes the module that adds positions to vectors, from ``max_length`` and ``dim``."""


class Embedding(nn.Module):
    """Embedding of tokens and their positions, and projection of vectors to logits with the same (tied) weights.

    Input vectors are scaled by sqrt(dim) (Vaswani et al. 2017, section 3.4), since the weights are small enough for
    the output projection.

    output: makes an output layer with separate weights; None to use those of the embedding
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        max_length: int,
        dropout: float,
        positions: PositionsFactory,
        output: OutputFactory | None = None,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, dim)
        nn.init.normal_(self.tokens.weight, std=dim**-0.5)
        self.positions = positions(max_length, dim)
        self.dim, self.max_length, self.scale = dim, max_length, math.sqrt(dim)
        self.dropout = Dropout(dropout)
        self.output = None if output is None else output(dim, vocab_size)

    def forward(
        self, tokens: Int[Tensor, "batch length"], start: int = 0, positions: Positions | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Return the vectors of ``tokens`` at ``positions``, by default ``start``, ``start + 1``, ...

        Raises ValueError if the last position is beyond ``max_length``.
        """
        if start + tokens.shape[1] > self.max_length:
            raise ValueError(f"{start + tokens.shape[1]} tokens: the model reads at most {self.max_length}")
        if positions is None:
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)[None]
        return self.dropout(self.positions(self.tokens(tokens) * self.scale, positions))

    def logits(self, hidden: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape vocab"]:
        """Return the scores of all tokens of the vocabulary, before the softmax."""
        return nn.functional.linear(hidden, self.tokens.weight) if self.output is None else self.output(hidden)

    def product(
        self, hidden: Float[Tensor, "batch target dim"]
    ) -> tuple[Float[Tensor, "batch target channels"], Float[Tensor, "vocab channels"]]:
        """Return vectors and a matrix whose products are the logits: with a bias, the last channel of vectors is 1."""
        if self.output is None:
            return hidden, self.tokens.weight
        if self.output.bias is None:
            return hidden, self.output.weight
        ones = torch.ones_like(hidden[..., :1])
        return torch.cat([hidden, ones], dim=-1), torch.cat([self.output.weight, self.output.bias[:, None]], dim=1)
