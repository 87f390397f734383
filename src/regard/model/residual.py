"""The residual path: how what a part of a layer adds is put to what was there.

A part ``f`` is used as ``residual.leave(x, f(residual.enter(x)))``.
"""

import copy
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

NormFactory = Callable[[int], nn.Module]
Vectors = Float[Tensor, "batch length dim"]


class PreNorm(nn.Module):
    """x + f(norm(x)) (Xiong et al. 2020, figure 1b); a last norm ends the stack."""

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), nn.Dropout(dropout)

    def last_norm(self) -> nn.Module:
        """What follows the last layer: a norm like this one, with weights of its own."""
        return copy.deepcopy(self.norm)

    def enter(self, x: Vectors) -> Vectors:
        """What the part reads."""
        return self.norm(x)

    def leave(self, x: Vectors, y: Vectors) -> Vectors:
        """``x`` with what the part made of it."""
        return x + self.dropout(y)


class PostNorm(nn.Module):
    """norm(x + f(x)) (Vaswani et al. 2017, section 3.1); needs a warm-up and a low learning rate."""

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), nn.Dropout(dropout)

    def last_norm(self) -> nn.Module:
        """What follows the last layer: nothing, every layer ends with a norm."""
        return nn.Identity()

    def enter(self, x: Vectors) -> Vectors:
        """What the part reads."""
        return x

    def leave(self, x: Vectors, y: Vectors) -> Vectors:
        """``x`` with what the part made of it."""
        return self.norm(x + self.dropout(y))
