"""An encoder or decoder as ONNX operators: embedding, layers and the last norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from regard.exchange.layers import Plain
from regard.exchange.onnx.graph import Graph
from regard.exchange.onnx.layers import (
    Attended,
    KeysValues,
    Rotation,
    attention,
    feed_forward,
    keys_values,
    linear,
    norm,
    rotated,
    rotation_tables,
)
from regard.model.embedding import Embedding
from regard.model.positions import sinusoids

Publish = Callable[[str, Attended], None]
"""Called with the name and the results of each attention."""


class Side(NamedTuple):
    """An encoder or decoder: its name in the weights, its description and its embedding."""

    name: str
    described: Plain
    embedding: Embedding


class Memory(NamedTuple):
    """What a decoder reads of the encoder: keys and values for each layer, and the mask of the source."""

    layers: list[KeysValues]
    mask: str


class Layers:
    """The operators from the tokens of a side to its last vectors.

    mask: what may be attended to, "batch length"; None for causal attention
    past: keys and values of earlier tokens for each layer; tokens are at the positions after them
    """

    def __init__(
        self,
        graph: Graph,
        side: Side,
        tokens: str,
        publish: Publish,
        mask: str | None = None,
        memory: Memory | None = None,
        past: list[KeysValues] | None = None,
    ) -> None:
        self.graph, self.side, self.tokens, self.publish = graph, side, tokens, publish
        self.past, self.memory = past, memory
        self._rotations: dict[tuple[float, int], Rotation] = {}
        zero = graph.constant([0])
        start = zero if past is None else graph.apply("Shape", past[0][0], start=2, end=3)
        end = graph.apply("Add", start, graph.apply("Shape", tokens, start=1, end=2))
        self.positions = self._range(start, end)
        self.mask = self._causal_mask(self._range(zero, end)) if mask is None else over_queries(graph, mask)
        self.memory_mask = "" if memory is None else over_queries(graph, memory.mask)

    def output(self) -> str:
        """Return the vectors after the last norm, "batch length dim"."""
        x = self._embedded()
        for number, layer in enumerate(self.side.described["layers"]):
            x = self._layer(x, number, layer)
        return norm(self.graph, x, f"{self.side.name}.norm", self.side.described["norm"])

    def head_dim(self, heads: Plain) -> int:
        """Return the size of a head."""
        return self.side.embedding.dim // int(heads["heads"])

    def _embedded(self) -> str:
        graph, embedding, name = self.graph, self.side.embedding, f"{self.side.name}.embedding"
        scale = graph.constant(embedding.scale)
        x = graph.apply("Mul", graph.apply("Gather", graph.weight(f"{name}.tokens.weight"), self.tokens), scale)
        kind = self.side.described["embedding"]["positions"]
        if kind == "none":
            return x
        if kind == "sinusoidal":
            table = graph.constant(sinusoids(embedding.max_length, embedding.dim).numpy())
            return graph.apply("Add", x, graph.apply("Gather", table, self.positions))
        vectors = graph.apply("Gather", graph.weight(f"{name}.positions.table"), self.positions)
        return graph.apply("Add", x, graph.apply("Mul", vectors, scale))

    def _layer(self, x: str, number: int, layer: Plain) -> str:
        name = f"{self.side.name}.layers.{number}"
        x = self._residual(x, f"{name}.mixer_path.norm", layer, lambda x: self._mixed(x, number, layer["mixer"]))
        if self.memory is not None:
            x = self._residual(x, f"{name}.cross_path.norm", layer, lambda x: self._read(x, number, layer["cross"]))
        return self._residual(
            x,
            f"{name}.feed_forward_path.norm",
            layer,
            lambda x: feed_forward(self.graph, x, f"{name}.feed_forward", layer["feed_forward"]),
        )

    def _residual(self, x: str, name: str, layer: Plain, function: Callable[[str], str]) -> str:
        """Apply ``function`` with its residual connection."""
        if layer["residual"] == "pre_norm":
            return self.graph.apply("Add", x, function(norm(self.graph, x, name, layer["norm"])))
        return norm(self.graph, self.graph.apply("Add", x, function(x)), name, layer["norm"])

    def _mixed(self, x: str, number: int, mixer: dict[str, Any]) -> str:
        """Apply self-attention."""
        graph, name = self.graph, f"{self.side.name}.layers.{number}.mixer.attention"
        query, (key, value) = linear(graph, x, f"{name}.query"), keys_values(graph, x, name)
        if mixer["rotary_base"] is not None:
            tables = self._rotation(mixer["rotary_base"], self.head_dim(mixer))
            query, key = rotated(graph, query, tables, mixer["heads"]), rotated(graph, key, tables, mixer["groups"])
        past = None if self.past is None else self.past[number]
        attended = attention(graph, query, key, value, self.mask, mixer, self.head_dim(mixer), past)
        self.publish(f"{self.side.name}.{number}.self", attended)
        return linear(graph, attended.output, f"{name}.output")

    def _rotation(self, base: float, head_dim: int) -> Rotation:
        """Return the tables of rotary positions, which all layers share."""
        if (base, head_dim) not in self._rotations:
            graph, most = self.graph, self.side.embedding.max_length
            of_rows = graph.apply("Expand", self.positions, graph.apply("Shape", self.tokens))
            self._rotations[base, head_dim] = rotation_tables(graph, base, head_dim, most, of_rows)
        return self._rotations[base, head_dim]

    def _read(self, x: str, number: int, heads: Plain) -> str:
        """Apply cross-attention."""
        name = f"{self.side.name}.layers.{number}.cross"
        key, value = self.memory.layers[number] if self.memory is not None else ("", "")
        query = linear(self.graph, x, f"{name}.query")
        attended = attention(self.graph, query, key, value, self.memory_mask, heads, self.head_dim(heads), None)
        self.publish(f"{self.side.name}.{number}.cross", attended)
        return linear(self.graph, attended.output, f"{name}.output")

    def _range(self, start: str, end: str) -> str:
        """Return the integers from ``start`` until ``end``, which have one element, with one axis."""
        first, last = (self.graph.apply("Squeeze", each) for each in (start, end))
        return self.graph.apply("Range", first, last, self.graph.constant(1))

    def _causal_mask(self, keys: str) -> str:
        rows = self.graph.apply("Unsqueeze", self.positions, self.graph.constant([1]))
        return self.graph.apply(
            "Unsqueeze", self.graph.apply("GreaterOrEqual", rows, keys), self.graph.constant([0, 1, 2])
        )


def over_queries(graph: Graph, mask: str) -> str:
    """Return a mask of keys, "batch key", as a mask of attention, "batch 1 1 1 key"."""
    return graph.apply("Unsqueeze", mask, graph.constant([1, 2, 3]))
