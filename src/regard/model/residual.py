"""Residual connections: pre-norm, post-norm, and adaptive layer norm for a stack with a condition.

A sublayer ``f`` is applied as ``residual.output(x, f(residual.input(x, condition)), condition)``.
"""

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from regard.model.dropout import Dropout
from regard.model.linear import ZeroLinear

NormFactory = Callable[[int], nn.Module]
Vectors = Float[Tensor, "batch length dim"]
Condition = Float[Tensor, "batch dim"]
"""A vector for each row of a batch, such as the embedding of the time of a denoiser."""


class Residual(Protocol):
    """The connection around a sublayer.

    conditioned: whether it needs a `Condition`; others get None in its place
    """

    conditioned: ClassVar[bool]

    def final_norm(self) -> nn.Module:
        """Return the module to apply after the last layer of a stack: to ``x``, and to the condition if there is one.

        It has the settings of this connection, but separate weights.
        """

    def input(self, x: Vectors, condition: Any) -> Vectors:
        """Return the input of the sublayer."""

    def output(self, x: Vectors, y: Vectors, condition: Any) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""


class PreNorm(nn.Module):
    """x + f(norm(x)) (Xiong et al. 2020, figure 1b), with a final norm after the last layer."""

    conditioned: ClassVar[bool] = False

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), Dropout(dropout)

    def final_norm(self) -> nn.Module:
        """Return a norm for the output of the last layer, like this one but with separate weights."""
        return copy.deepcopy(self.norm)

    def input(self, x: Vectors, condition: None) -> Vectors:
        """Return the input of the sublayer."""
        return self.norm(x)

    def output(self, x: Vectors, y: Vectors, condition: None) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""
        return x + self.dropout(y)


class PostNorm(nn.Module):
    """norm(x + f(x)) (Vaswani et al. 2017, section 3.1). Needs a warm-up and a low learning rate."""

    conditioned: ClassVar[bool] = False

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = norm(dim), Dropout(dropout)

    def final_norm(self) -> nn.Module:
        """Return the identity: every layer ends with a norm."""
        return nn.Identity()

    def input(self, x: Vectors, condition: None) -> Vectors:
        """Return the input of the sublayer."""
        return x

    def output(self, x: Vectors, y: Vectors, condition: None) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""
        return self.norm(x + self.dropout(y))


class AdaLNZero(nn.Module):
    """x + gate * f(norm(x) * (1 + scale) + shift): adaLN-zero (Peebles and Xie 2023, section 3.2).

    Gate, scale and shift are linear in the activated condition, with weights that start at zero, so that every layer
    starts as the identity. The norm keeps its own learned scale and shift.
    """

    conditioned: ClassVar[bool] = True

    def __init__(self, dim: int, dropout: float, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.dropout = AdaptiveNorm(dim, norm), Dropout(dropout)
        self.gate = ZeroLinear(dim, dim)

    def final_norm(self) -> nn.Module:
        """Return an adaptive norm for the output of the last layer, like this one but with separate weights."""
        return copy.deepcopy(self.norm)

    def input(self, x: Vectors, condition: Condition) -> Vectors:
        """Return the input of the sublayer."""
        return self.norm(x, condition)

    def output(self, x: Vectors, y: Vectors, condition: Condition) -> Vectors:
        """Combine ``x`` with ``y``, the output of the sublayer."""
        return x + self.gate(silu(condition))[:, None] * self.dropout(y)


class AdaptiveNorm(nn.Module):
    """norm(x) * (1 + scale) + shift, with scale and shift from the condition. It starts as the norm alone."""

    def __init__(self, dim: int, norm: NormFactory) -> None:
        super().__init__()
        self.norm, self.modulation = norm(dim), ZeroLinear(dim, 2 * dim)

    def forward(self, x: Vectors, condition: Condition) -> Vectors:
        """Normalise ``x`` and modulate each of its rows."""
        scale, shift = self.modulation(silu(condition))[:, None].chunk(2, dim=-1)
        return self.norm(x) * (1 + scale) + shift
