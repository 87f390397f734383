"""Stacks of equal layers, which formats with one option for all layers can represent."""

from __future__ import annotations

from typing import Any, NamedTuple

from regard.exchange.layers import Plain
from regard.exchange.unsupported import Unsupported


class Uniform(NamedTuple):
    """The options of all layers of a stack of self-attention.

    depth, heads, groups: sizes; heads of a group share keys and values
    pre_norm: else post-norm
    norm: ``layer_norm`` or ``rms_norm``; eps: the number that it adds to the variance
    feed_forward: ``relu``, ``gelu``, ``gelu_tanh``, ``swish`` or ``swiglu``
    positions: ``sinusoidal``, ``learned`` or ``none``: what is added to embeddings
    rotary_base: base of the angles of rotary positions; None without rotation
    """

    depth: int
    heads: int
    groups: int
    pre_norm: bool
    norm: str
    eps: float
    feed_forward: str
    positions: str
    rotary_base: float | None


def uniform_stack(described: Plain, side: str) -> Uniform:
    """Return the options of a described stack with its embedding (see `regard.exchange.model`).

    ``side`` is the part of the configuration with its depth, for messages. Raises Unsupported if there is no layer,
    if layers differ, if a mixer is not self-attention, without norms, and with both rotary and other positions.
    """
    layers: list[dict[str, Any]] = described["layers"]
    if not layers:
        raise Unsupported(f"{side}.depth", "0", "at least one layer")
    for layer in layers:
        if layer["mixer"]["kind"] != "attention":
            raise Unsupported("model.mixer", layer["mixer"]["kind"], "attention in all layers")
    first = layers[0]
    if any(layer != first for layer in layers):
        raise Unsupported("model.mixer", "different options by layer", "the same in all layers")
    mixer, norm, positions = first["mixer"], first["norm"], described["embedding"]["positions"]
    if norm is None:
        raise Unsupported("model.residual.norm", "Identity", "layer_norm or rms_norm")
    if mixer["rotary_base"] is not None and positions != "none":
        raise Unsupported("model.positions", f"{positions} with rotary", "one kind of positions")
    return Uniform(
        len(layers),
        mixer["heads"],
        mixer["groups"],
        first["residual"] == "pre_norm",
        norm["kind"],
        norm["eps"],
        first["feed_forward"],
        positions,
        mixer["rotary_base"],
    )
