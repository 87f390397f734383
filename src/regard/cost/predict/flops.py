"""Floating-point operations, counted by torch.utils.flop_counter with formulas that some of its versions lack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

Shape = Sequence[int]
PROBED = (256, 512, 1024, 2048)
"""Lengths at which FLOPs are counted to find their growth: powers of two, as Fourier transforms pad to."""
NEGLIGIBLE = 1e-6
"""Share of the FLOPs of the longest probed sequence below which a quadratic term is a rounding error."""
LONGEST = 1e9
"""Length in tokens up to which the quadratic term is searched."""


def fft_flops(shape: Shape, axes: Sequence[int]) -> float:
    """Return 5 n log2(n) for each transform of n complex numbers (Cooley and Tukey 1965, radix 2)."""
    return 5 * math.prod(shape) * math.log2(max(1, math.prod(shape[axis] for axis in axes)))


def _complex(shape: Shape, axes: Sequence[int], *rest: Any, **named: Any) -> int:
    return round(fft_flops(shape, axes))


def _from_real(shape: Shape, axes: Sequence[int], *rest: Any, **named: Any) -> int:
    return round(fft_flops(shape, axes) / 2)


def _to_real(shape: Shape, axes: Sequence[int], *rest: Any, out_shape: Shape, **named: Any) -> int:
    return round(fft_flops(out_shape, axes) / 2)


def _attention(query: Shape, key: Shape, value: Shape, *rest: Any, **named: Any) -> int:
    """Two products: queries with keys, and weights with values."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(gradient: Shape, query: Shape, key: Shape, value: Shape, *rest: Any, **named: Any) -> int:
    """Five products: the weights are computed again (Dao et al. 2022, algorithm 4)."""
    return 2 * math.prod(query[:-1]) * key[-2] * (3 * query[-1] + 2 * value[-1])


KERNELS = ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
"""Kernels of attention. Several versions of torch have no formula for the one of CPUs (pytorch#195460)."""

FORMULAS: dict[Any, Callable[..., int]] = {
    torch.ops.aten._fft_c2c: _complex,
    torch.ops.aten._fft_r2c: _from_real,
    torch.ops.aten._fft_c2r: _to_real,
}
for _kernel in KERNELS:
    FORMULAS[getattr(torch.ops.aten, f"_scaled_dot_product_{_kernel}")] = _attention
    FORMULAS[getattr(torch.ops.aten, f"_scaled_dot_product_{_kernel}_backward")] = _attention_backward


def flop_counter() -> FlopCounterMode:
    """Return a counter of matrix products, convolutions, attention and Fourier transforms.

    Operations per element, such as sums and norms, are not counted. Causal attention counts as if it had no mask.
    """
    return FlopCounterMode(display=False, custom_mapping=FORMULAS)


def quadratic_from(count: Callable[[int], float]) -> float | None:
    """Return the sequence length from which the quadratic part of the FLOPs exceeds all others; None if it never does.

    ``count`` returns the FLOPs of a sequence of a length. They are the sum of a constant, a linear, a quadratic and a
    linear times logarithmic term, whose factors follow from four lengths.
    """
    lengths = np.array(PROBED, dtype=float) / PROBED[-1]
    flops = np.array([count(length) for length in PROBED], dtype=float)
    terms = np.stack([np.ones(4), lengths, lengths * np.log2(PROBED), lengths**2], axis=1)
    *others, quadratic = np.linalg.solve(terms, flops)
    if quadratic <= NEGLIGIBLE * flops[-1]:
        return None

    def excess(length: float) -> float:
        share = length / PROBED[-1]
        rest = others[0] + others[1] * share + others[2] * share * math.log2(length)
        return float(quadratic * share**2 - rest)

    low, high = 1.0, LONGEST
    if excess(low) >= 0 or excess(high) < 0:
        return low if excess(low) >= 0 else None
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) >= 0 else (middle, high)
    return high
