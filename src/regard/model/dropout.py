"""Dropout (Srivastava et al. 2014), with cheaper random numbers on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 1 << 16
"""Number of equally likely values of the 16 random bits of an element."""


class Dropout(nn.Dropout):
    """Sets elements to zero with probability ``p`` during training, and multiplies the others by 1 / (1 - p).

    PyTorch draws a Bernoulli number for each element, which on a CPU takes longer than many matrix products. Here four
    elements share a random number of 64 bits. ``p`` is rounded to a multiple of 2^-16.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``x`` with zeros, or unchanged if the module is not in training mode."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():  # there, it is one kernel
            return super().forward(x)
        return x * _mask(x, self.p)


def _mask(x: Float[Tensor, "*shape"], p: float) -> Float[Tensor, "*shape"]:
    """Return a mask of the shape of ``x``: zeros with probability ``p``, and 1 / (1 - p) elsewhere."""
    dropped = round(p * LEVELS)
    if dropped == LEVELS:
        return torch.zeros_like(x)
    random = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = random[: x.numel()].view(x.shape) >= dropped - LEVELS // 2
    return kept.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))
