"""Compilation of the training pass with torch.compile."""

from __future__ import annotations

from torch import nn


def compile_training(model: nn.Module) -> None:
    """Compile the forward and backward pass of ``model`` at its first call, for any shape of a batch.

    The model is changed in place, so that the names of its weights do not change.
    """
    model.compile(dynamic=True)
