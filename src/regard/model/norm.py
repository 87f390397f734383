"""Normalisation. Each function makes a module for vectors of ``dim`` channels."""

from torch import nn


def layer_norm(dim: int) -> nn.Module:
    """Zero mean and unit variance, then a learned scale and shift (Ba et al. 2016)."""
    return nn.LayerNorm(dim)


def rms_norm(dim: int, eps: float = 1e-6) -> nn.Module:
    """Unit root mean square, then a learned scale (Zhang and Sennrich 2019)."""
    return nn.RMSNorm(dim, eps=eps)
