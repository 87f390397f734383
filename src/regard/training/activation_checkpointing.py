"""Memory for time: activations are computed again when they are needed (Chen et al. 2016)."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from regard.model.layer import Layer
from regard.model.transformer import Transformer


def recompute_layers(model: Transformer) -> None:
    """Let the backward pass of each layer of ``model`` start from its input, the only activation that is kept.

    Losses, gradients, dropout and the names of the weights stay as they are.
    """
    for layer in (module for module in model.modules() if isinstance(module, Layer)):
        # Not by a wrapper, which would rename the weights.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)  # type: ignore[method-assign]
