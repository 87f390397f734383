"""What the layouts of other libraries require of a model."""

from __future__ import annotations

from typing import Any

from torch import nn

from regard.exchange.page.layers import Plain
from regard.exchange.unsupported import Unsupported
from regard.model.transformer import Transformer


def layer_of(stack: Plain) -> Plain:
    """Return the description of each layer of a stack, from that of `describe_stack`.

    Raises Unsupported if there is no layer, if layers differ, or if their mixer is not attention.
    """
    layers: list[Plain] = stack["layers"]
    if not layers:
        raise Unsupported("model.depth", "0", "at least 1")
    for layer in layers:
        if layer["mixer"]["kind"] != "attention":
            raise Unsupported("model.mixer", layer["mixer"]["kind"], "attention in every layer")
        require("model.mixer", "layers that differ", layer == layers[0], "the same in every layer")
    return layers[0]


def require(option: str, found: object, holds: bool, expected: str) -> None:
    """Raise Unsupported, naming an option and its value, unless it is as expected."""
    if not holds:
        raise Unsupported(option, str(found), expected)


def require_norm(layer: Plain, kind: str, eps: float | None = None) -> float:
    """Return the number that a norm adds to the variance. Raises Unsupported for another kind of norm or number."""
    norm = layer["norm"]
    require("model.residual.norm", norm["kind"], norm["kind"] == kind, kind)
    require("model.residual.norm.eps", norm["eps"], eps in (None, norm["eps"]), str(eps))
    found: float = norm["eps"]
    return found


def require_residual(layer: Plain, kind: str) -> None:
    """Raise Unsupported for another residual connection."""
    require("model.residual", layer["residual"], layer["residual"] == kind, kind)


def require_feed_forward(layer: Plain, *kinds: str) -> str:
    """Return the kind of the feed-forward network. Raises Unsupported for another kind."""
    found: str = layer["feed_forward"]
    require("model.feed_forward", found, found in kinds, " or ".join(kinds))
    return found


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
