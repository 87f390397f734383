"""The matrix products of a training step, and the speed of the device for them alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from regard.cost.predict.dry_run import fake_model
from regard.cost.timing import median_seconds
from regard.cost.training_step import TrainingStep
from regard.cost.workload import Workload

OPERANDS = {
    torch.ops.aten.mm.default: (0, 1),
    torch.ops.aten.addmm.default: (1, 2),
    torch.ops.aten.bmm.default: (0, 1),
    torch.ops.aten.baddbmm.default: (1, 2),
}
"""Places of both matrices among the arguments of an operation."""


class Matrix(NamedTuple):
    """The shape of a matrix or a batch of them, and whether its columns are contiguous instead of its rows."""

    shape: tuple[int, ...]
    by_columns: bool
    format: torch.dtype

    def make(self, device: torch.device) -> Tensor:
        """Make such a matrix of random numbers."""
        *batch, rows, columns = self.shape
        if self.by_columns:
            return torch.randn(*batch, columns, rows, dtype=self.format, device=device).mT
        return torch.randn(self.shape, dtype=self.format, device=device)


class Product(NamedTuple):
    """A product of two matrices."""

    left: Matrix
    right: Matrix

    @property
    def flops(self) -> int:
        """A multiplication and an addition for each pair of factors."""
        return 2 * math.prod(self.left.shape) * self.right.shape[-1]


class ProductRecorder(TorchDispatchMode):
    """Counts the matrix products that run while the mode is active, without those of fused attention."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[Product] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if places := OPERANDS.get(func):  # type: ignore[call-overload]
            left, right = (args[place] for place in places)
            self.counts[Product(_describe(left), _describe(right))] += 1
        return func(*args, **(kwargs or {}))


def step_products(workload: Workload, device: torch.device) -> Counter[Product]:
    """Return the matrix products of the forward and backward pass of a micro-batch, and the number of each."""
    with fake_model(workload, device) as model:
        step = TrainingStep(model, workload.make_batch(model, device), workload.config, device)
        with ProductRecorder() as recorder:
            step.backward(step.forward(), first=True)
    return recorder.counts


def products_flops_per_second(products: Counter[Product], device: torch.device, seconds: float) -> float:
    """Return the speed of the device if it computes nothing but ``products``, each as often as it occurs.

    Each is measured alone; the measurement of all takes about ``seconds``.
    """
    flops = total = 0.0
    for product, count in products.items():
        left, right = product.left.make(device), product.right.make(device)
        once = median_seconds(partial(torch.matmul, left, right), device, seconds / len(products))
        flops += count * product.flops
        total += count * once
    return flops / total


def _describe(tensor: Tensor) -> Matrix:
    by_columns = tensor.stride(-1) != 1 and tensor.stride(-2) == 1
    return Matrix(tuple(tensor.shape), by_columns, tensor.dtype)
