"""Positions: vectors that are added to token embeddings, or rotations of queries and keys."""

import math
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Positions = Int[Tensor, "#batch length"]
Vectors = Float[Tensor, "batch length dim"]
Heads = Float[Tensor, "batch heads length head_dim"]


def sinusoids(length: int, dim: int) -> Float[Tensor, "length dim"]:
    """Return sines and cosines of geometrically growing wavelengths (Vaswani et al. 2017, section 3.5).

    The first half of the channels are sines and the second half cosines: the table of the paper with its channels in
    another order.
    """
    rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]


class Sinusoidal(nn.Module):
    """Adds `sinusoids`."""

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", sinusoids(max_length, dim), persistent=False)

    def forward(self, x: Vectors, positions: Positions) -> Vectors:
        return x + self.table[positions]


class Learned(nn.Module):
    """Adds a learned vector for each position (Gehring et al. 2017, section 3.1), scaled like token embeddings."""

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(max_length, dim) * dim**-0.5)
        self.scale = math.sqrt(dim)

    def forward(self, x: Vectors, positions: Positions) -> Vectors:
        return x + self.table[positions] * self.scale


class NoPositions(nn.Module):
    """Adds nothing, for mixers that depend on the order of tokens."""

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()

    def forward(self, x: Vectors, positions: Positions) -> Vectors:
        return x


class Rotary(nn.Module):
    """Rotates queries and keys by angles that grow with their position (Su et al. 2021, section 3.2.2).

    Their product then depends on their distance and not on their positions.
    """

    def __init__(self, head_dim: int, base: float = 10_000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"rotary positions rotate pairs of channels: head_dim must be even, not {head_dim}")
        self.head_dim, self.base = head_dim, base

    def forward(self, x: Heads, start: int | Int[Tensor, "1"] = 0) -> Heads:
        """Rotate ``x``, whose positions are ``start``, ``start + 1``, ..."""
        # Not a buffer: if the model is converted to half precision, angles would be inaccurate.
        single = partial(torch.arange, dtype=torch.float32, device=x.device)
        rates = self.base ** (-single(0, self.head_dim, 2) / self.head_dim)
        angles = (single(x.shape[-2]) + start)[:, None] * rates
        pairs = x.float().unflatten(-1, (-1, 2))
        if torch.compiler.is_compiling():  # the compiler does not support complex numbers, and fuses this to one kernel
            real, imaginary = pairs[..., 0], pairs[..., 1]
            cosine, sine = angles.cos(), angles.sin()
            rotated = torch.stack([real * cosine - imaginary * sine, imaginary * cosine + real * sine], dim=-1)
        else:  # one large operation instead of seven
            rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.polar(torch.ones_like(angles), angles))
        return rotated.flatten(-2).to(x.dtype)


class NoRotation(nn.Module):
    """Returns queries and keys unchanged."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()

    def forward(self, x: Heads, start: int | Int[Tensor, "1"] = 0) -> Heads:
        return x
