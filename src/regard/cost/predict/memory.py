"""The memory of tensors while operations run, also of fake tensors, which have shapes and no content."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Memory:
    """Memory of a training step of one process, in bytes.

    weights: parameters and buffers
    gradients, optimizer: gradients and state of the optimizer
    activations: what a forward pass keeps for the backward pass
    peak: the largest sum at any time in the step, which includes temporary tensors
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int

    @property
    def fixed(self) -> int:
        """Memory that does not depend on the batch."""
        return self.weights + self.gradients + self.optimizer


class MemoryTracker(TorchDispatchMode):
    """Follows the storages of tensors and those that operations create while the mode is active, until they are freed.

    tensors: those that exist already
    now: bytes of all living storages
    peak: largest value of ``now``, since the start or since the last `reset_peak`
    """

    def __init__(self, tensors: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}
        for tensor in tensors:
            self._add(tensor.untyped_storage())

    def reset_peak(self) -> None:
        """Forget the peak before now."""
        self.peak = self.now

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of the storages of ``tensors``; a storage that several share counts once."""
    return sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}.values())
