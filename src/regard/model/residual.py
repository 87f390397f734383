"""Residual connections: pre-norm and post-norm.

A sublayer ``f`` is applied as ``residual.output(x, f(residual.input(x)))``.
"""

import copy
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

NormFactory = Callable[[int], nn.Module]
Vectors = Float[Tensor, "batch length dim"]


class PreNorm(nn.Module):
    """x + f(norm(x)) (Xiong et al. 2020, figure 1b), with a final norm after the last layer."""

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), nn.Dropout(dropout)

    def final_norm(self) -> nn.Module:
        """Return a norm for the output of the last layer, like this one but with separate weights."""
        return copy.deepcopy(self.norm)

    def input(self, x: Vectors) -> Vectors:
        """Return the input of the sublayer."""
        return self.norm(x)

    def output(self, x: Vectors, y: Vectors) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""
        return x + self.dropout(y)


class PostNorm(nn.Module):
    """norm(x + f(x)) (Vaswani et al. 2017, section 3.1). Needs a warm-up and a low learning rate."""

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), nn.Dropout(dropout)

    def final_norm(self) -> nn.Module:
        """Return the identity: every layer ends with a norm."""
        return nn.Identity()

    def input(self, x: Vectors) -> Vectors:
        """Return the input of the sublayer."""
        return x

    def output(self, x: Vectors, y: Vectors) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""
        return self.norm(x + self.dropout(y))
