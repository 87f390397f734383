"""Layers as plain values: sizes and options, which formats build them from."""

from __future__ import annotations

from typing import Any

from torch import nn

from regard.exchange.unsupported import Unsupported
from regard.model.attention import MultiHeadAttention
from regard.model.feed_forward import SwiGLU
from regard.model.layer import Layer
from regard.model.mixer import SelfAttention
from regard.model.positions import NoRotation, Rotary
from regard.model.residual import AdaLNZero, AdaptiveNorm, PostNorm, PreNorm
from regard.model.stack import Stack
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D

Plain = dict[str, Any]
"""Values that JSON can represent."""

# Exact classes: a subclass may compute something else.
RESIDUALS: dict[type, str] = {PreNorm: "pre_norm", PostNorm: "post_norm", AdaLNZero: "ada_ln_zero"}
ACTIVATIONS: dict[type, str] = {nn.ReLU: "relu", nn.GELU: "gelu", nn.SiLU: "swish"}


def describe_stack(layers: Stack) -> Plain:
    """Return the description of all layers, and of the norm after them.

    Raises Unsupported naming the option of the model that has no description.
    """
    described = [describe_layer(layer) for layer in layers if isinstance(layer, Layer)]
    return {"layers": described, "norm": describe_norm(layers.final_norm())}


def describe_layer(layer: Layer) -> Plain:
    """Return the description of a layer. Raises Unsupported as `describe_stack` does."""
    residual: Any = layer.mixer_path
    if type(residual) not in RESIDUALS:
        raise Unsupported("model.residual", residual, "PreNorm, PostNorm or AdaLNZero")
    return {
        "residual": RESIDUALS[type(residual)],
        "norm": describe_norm(residual.norm),
        "mixer": describe_mixer(layer.mixer),
        "cross": None if layer.cross is None else describe_heads(layer.cross),
        "feed_forward": describe_feed_forward(layer.feed_forward),
    }


def describe_mixer(mixer: object) -> Plain:
    """Return the kind of a mixer and its options. Raises Unsupported for another mixer than those of regard."""
    if type(mixer) is SelfAttention:
        base = describe_rotation(mixer.rotation)
        return {"kind": "attention", "causal": mixer.causal, "rotary_base": base, **describe_heads(mixer.attention)}
    if type(mixer) is H3:
        return {"kind": "h3", "causal": mixer.shift.future == 0, "head_dim": mixer.head_dim}
    if type(mixer) is S4D:
        return {"kind": "s4d"}
    raise Unsupported("model.mixer", mixer, "SelfAttention, H3 or S4D")


def describe_rotation(rotation: nn.Module) -> float | None:
    """Return the base of the angles of rotary positions; None without rotation."""
    if type(rotation) is Rotary:
        return rotation.base
    if type(rotation) is NoRotation:
        return None
    raise Unsupported("model.mixer.rotation", rotation, "Rotary or NoRotation")


def describe_heads(attention: MultiHeadAttention) -> Plain:
    """Return the number of heads, and of groups of heads that share keys and values."""
    return {"heads": attention.num_heads, "groups": attention.num_kv_heads}


def describe_norm(norm: nn.Module) -> Plain | None:
    """Return the kind of a norm and the number that it adds to the variance; None for the identity.

    An adaptive norm, whose scale and shift depend on a condition, has the norm that it modulates in its place.
    """
    if type(norm) is AdaptiveNorm:
        return {"kind": "adaptive", "norm": describe_norm(norm.norm)}
    if type(norm) is nn.Identity:
        return None
    if type(norm) is nn.LayerNorm and norm.elementwise_affine and norm.bias is not None:
        return {"kind": "layer_norm", "eps": norm.eps}
    if type(norm) is nn.RMSNorm and norm.elementwise_affine and norm.eps is not None:
        return {"kind": "rms_norm", "eps": norm.eps}
    raise Unsupported("model.residual.norm", norm, "layer_norm or rms_norm")


def describe_feed_forward(network: nn.Module) -> str:
    """Return the kind of a feed-forward network."""
    if type(network) is SwiGLU:
        return "swiglu"
    if isinstance(network, nn.Sequential) and len(network) == 3:
        first, activation, second = network
        if type(first) is type(second) is nn.Linear and type(activation) in ACTIVATIONS:
            approximate = getattr(activation, "approximate", "none") == "tanh"
            return ACTIVATIONS[type(activation)] + approximate * "_tanh"
    raise Unsupported("model.feed_forward", network, "relu, gelu, gelu_tanh, swish or SwiGLU")
