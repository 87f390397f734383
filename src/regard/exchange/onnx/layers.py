"""Layers as ONNX operators, from their description (see `regard.exchange.layers`) and the names of their weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regard.exchange.layers import Plain
from regard.exchange.onnx.graph import Graph

KeysValues = tuple[str, str]


class Attended(NamedTuple):
    """The results of an attention.

    output: "batch query heads*head_dim"
    weights: by group, "batch groups heads/groups query key"
    keys, values: old and new, "batch groups key head_dim"
    """

    heads: int
    output: str
    weights: str
    keys: str
    values: str


class Rotation(NamedTuple):
    """Cosines and sines of all positions, "position pair", and the position of each token, "batch length"."""

    cosines: str
    sines: str
    positions: str


def rotation_tables(graph: Graph, base: float, head_dim: int, max_length: int, positions: str) -> Rotation:
    """Return the tables of rotary positions (`regard.model.positions.Rotary`)."""
    rates = base ** (-np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)
    angles = np.arange(max_length, dtype=np.float32)[:, None] * rates.astype(np.float32)
    return Rotation(graph.constant(np.cos(angles)), graph.constant(np.sin(angles)), positions)


def linear(graph: Graph, x: str, name: str) -> str:
    """Apply a linear layer, with its bias if it has one."""
    product = graph.apply("MatMul", x, graph.apply("Transpose", graph.weight(f"{name}.weight"), perm=[1, 0]))
    return graph.apply("Add", product, graph.weight(f"{name}.bias")) if graph.has(f"{name}.bias") else product


def norm(graph: Graph, x: str, name: str, described: Plain | None) -> str:
    """Apply a norm; None is the identity."""
    if described is None:
        return x
    scale = graph.weight(f"{name}.weight")
    if described["kind"] == "rms_norm":
        return graph.apply("RMSNormalization", x, scale, axis=-1, epsilon=described["eps"])
    shift = graph.weight(f"{name}.bias")
    return graph.apply("LayerNormalization", x, scale, shift, axis=-1, epsilon=described["eps"])


def feed_forward(graph: Graph, x: str, name: str, kind: str) -> str:
    """Apply a feed-forward network."""
    if kind == "swiglu":
        gate, value = graph.apply_for(2, "Split", linear(graph, x, f"{name}.gate_value"), axis=-1, num_outputs=2)
        return linear(graph, graph.apply("Mul", activated(graph, gate, "swish"), value), f"{name}.output")
    return linear(graph, activated(graph, linear(graph, x, f"{name}.0"), kind), f"{name}.2")


def activated(graph: Graph, x: str, kind: str) -> str:
    """Apply the activation of a feed-forward network."""
    if kind == "relu":
        return graph.apply("Relu", x)
    if kind == "swish":
        return graph.apply("Mul", x, graph.apply("Sigmoid", x))
    return graph.apply("Gelu", x, approximate={"gelu": "none", "gelu_tanh": "tanh"}[kind])


def keys_values(graph: Graph, memory: str, name: str) -> KeysValues:
    """Return the keys and values of an attention, both "batch length groups*head_dim"."""
    key, value = graph.apply_for(2, "Split", linear(graph, memory, f"{name}.key_value"), axis=-1, num_outputs=2)
    return key, value


def attention(
    graph: Graph, query: str, key: str, value: str, mask: str, heads: Plain, head_dim: int, past: KeysValues | None
) -> Attended:
    """Compute the attention of projected queries, "batch query heads*head_dim", before the output projection.

    key, value: "batch key groups*head_dim"
    mask: True where a query may attend, "#batch 1 1 #query key"
    past: earlier keys and values, "batch groups past head_dim"

    The operator Attention would do the same, but the shape that ONNX infers for its weights is wrong for keys of any
    length (a last axis of 0), of which onnxruntime warns in each run.
    """
    groups = heads["groups"]
    shared = heads["heads"] // groups
    query = graph.apply("Reshape", query, graph.constant([0, 0, groups, shared, head_dim]))
    query = graph.apply("Transpose", query, perm=[0, 2, 3, 1, 4])
    keys, values = (_by_group(graph, each, groups, head_dim) for each in (key, value))
    if past is not None:
        keys, values = (graph.apply("Concat", *pair, axis=2) for pair in zip(past, (keys, values), strict=True))
    scaled = graph.apply("Mul", query, graph.constant(head_dim**-0.5))
    columns = graph.apply("Unsqueeze", graph.apply("Transpose", keys, perm=[0, 1, 3, 2]), graph.constant([2]))
    scores = graph.apply("Where", mask, graph.apply("MatMul", scaled, columns), graph.constant(-np.inf))
    weights = graph.apply("Softmax", scores, axis=-1)
    output = graph.apply("MatMul", weights, graph.apply("Unsqueeze", values, graph.constant([2])))
    output = graph.apply("Transpose", output, perm=[0, 3, 1, 2, 4])
    output = graph.apply("Reshape", output, graph.constant([0, 0, heads["heads"] * head_dim]))
    return Attended(heads["heads"], output, weights, keys, values)


def weights_by_head(graph: Graph, attended: Attended) -> str:
    """Return the weights of an attention, "batch heads query key"."""
    shape = graph.apply("Shape", attended.weights, start=3)
    whole = graph.apply("Concat", graph.constant([0, attended.heads]), shape, axis=0)
    return graph.apply("Reshape", attended.weights, whole)


def _by_group(graph: Graph, x: str, groups: int, head_dim: int) -> str:
    """Return keys or values as "batch groups length head_dim"."""
    split = graph.apply("Reshape", x, graph.constant([0, 0, groups, head_dim]))
    return graph.apply("Transpose", split, perm=[0, 2, 1, 3])


def rotated(graph: Graph, x: str, tables: Rotation, heads: int) -> str:
    """Rotate queries or keys, "batch length heads*head_dim"."""
    return graph.apply(
        "RotaryEmbedding", x, tables.cosines, tables.sines, tables.positions, interleaved=1, num_heads=heads
    )
