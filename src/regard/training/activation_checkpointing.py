"""Activation checkpointing: less memory for more time (Chen et al. 2016)."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from regard.model.encoders.with_encoder import WithEncoder
from regard.model.layer import Layer


def recompute_layers(model: WithEncoder) -> None:
    """Store only the input of each layer of ``model``, and compute its other activations again in the backward pass.

    Losses, gradients, dropout and the names of the weights do not change.
    """
    for layer in (module for module in model.modules() if isinstance(module, Layer)):
        # Not with a wrapper module, which would rename the weights.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)  # type: ignore[method-assign]
