"""Memory for time: activations are computed again when they are needed (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from regard.model.layer import Layer
from regard.model.transformer import Transformer


def recompute_layers(model: Transformer) -> None:
    """Let the backward pass of each layer of ``model`` start from its input, the only activation that is kept.

    Losses, gradients, dropout and the names of the weights stay as they are.
    """
    for layer in (module for module in model.modules() if isinstance(module, Layer)):
        # On the instance, under a name of the module's own: a wrapper would rename the weights.
        layer.forward = partial(_recomputed, layer.forward)  # type: ignore[method-assign]


def _recomputed(forward: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*arguments, **named)
    return checkpoint(forward, *arguments, use_reentrant=False, **named)
