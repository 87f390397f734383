"""What the layouts of other libraries require of a model."""

from __future__ import annotations

from typing import Any

from torch import nn

from regard.exchange.uniform import Uniform
from regard.exchange.unsupported import Unsupported
from regard.model.transformer import Transformer


def require(option: str, found: object, holds: bool, expected: str) -> None:
    """Raise Unsupported, naming an option and its value, unless it is as expected."""
    if not holds:
        raise Unsupported(option, str(found), expected)


def require_norm(stack: Uniform, kind: str, eps: float | None = None) -> float:
    """Return the number that a norm adds to the variance. Raises Unsupported for another kind of norm or number."""
    require("model.residual.norm", stack.norm, stack.norm == kind, kind)
    require("model.residual.norm.eps", stack.eps, eps in (None, stack.eps), str(eps))
    return stack.eps


def require_pre_norm(stack: Uniform, holds: bool = True) -> None:
    """Raise Unsupported for another residual connection than pre-norm, or for pre-norm."""
    names = {True: "pre_norm", False: "post_norm"}
    require("model.residual", names[stack.pre_norm], stack.pre_norm == holds, names[holds])


def require_feed_forward(stack: Uniform, *kinds: str) -> str:
    """Return the kind of the feed-forward network. Raises Unsupported for another kind."""
    require("model.feed_forward", stack.feed_forward, stack.feed_forward in kinds, " or ".join(kinds))
    return stack.feed_forward


def require_positions(stack: Uniform, kind: str) -> None:
    """Raise Unsupported for another kind of positions."""
    found = stack.positions if stack.rotary_base is None else "rotary"
    require("model.positions", found, found == kind, kind)


def require_biases(model: nn.Module, biases: bool) -> None:
    """Raise Unsupported if attention or the feed-forward networks have no biases, or have them, unlike ``biases``."""
    options = {"attention.query": "model.mixer.bias", "feed_forward.0": "model.feed_forward.bias"}
    names = model.state_dict().keys()
    for module, option in options.items():
        if any(name.endswith(f"{module}.weight") for name in names):  # not SwiGLU, which has no biases
            found = any(name.endswith(f"{module}.bias") for name in names)
            require(option, str(found).lower(), found == biases, str(biases).lower())


def has_biases(model: nn.Module) -> bool:
    """Return whether queries have biases."""
    return any(name.endswith("attention.query.bias") for name in model.state_dict())


def head_dim(model: Transformer) -> int:
    """Return the number of channels of each head of attention in the first layer of the decoder."""
    mixer: Any = model.decoder.layers[0].mixer
    size: int = mixer.attention.head_dim
    return size
