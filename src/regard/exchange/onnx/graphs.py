"""The graphs of a model: of the encoder, of whole sequences, and of the next tokens with a cache.

Their inputs and outputs, with names of axes:

- ``source`` (int64, "batch source"): token ids, right-padded with 0
- ``prefix`` (int64, "batch target"), ``tokens`` (int64, "batch new")
- ``logits`` (float32, "batch target vocab" or "batch new vocab"): of the token after each position
- ``encoder.0.self``, ``decoder.0.self``, ``decoder.0.cross``, ...: attention weights, "batch heads query key"
- ``mask`` (bool, "batch source"), ``decoder.0.memory.key``, ``decoder.0.memory.value``, ... (float32,
  "batch source dim"): from the encoder for the decoder
- ``decoder.0.past.key``, ``decoder.0.past.value``, ... (float32, "batch groups past head_dim"): of earlier tokens, at
  first with a length of 0; ``decoder.0.present.key``, ...: the same with the new tokens
"""

from __future__ import annotations

from typing import cast

from regard.data.tokenizer.specials import PAD
from regard.exchange.model import describe_model
from regard.exchange.onnx.graph import Graph, Shape
from regard.exchange.onnx.layers import Attended, KeysValues, keys_values, weights_by_head
from regard.exchange.onnx.stack import Layers, Memory, Publish, Side
from regard.model.encoders.text import TextEncoder
from regard.model.transformer import Transformer


def encoder_side(model: Transformer) -> Side:
    """Return the encoder of a model."""
    return Side("encoder", describe_model(model)["encoder"], cast(TextEncoder, model.encoder).embedding)


def decoder_side(model: Transformer) -> Side:
    """Return the decoder of a model."""
    return Side("decoder", describe_model(model)["decoder"], model.decoder.embedding)


def build_whole(graph: Graph, model: Transformer) -> None:
    """Build the graph of whole sequences, from ``source`` (with an encoder) and ``prefix`` to all outputs."""
    publish = weights_publisher(graph)
    memory = None
    if model.encoder is not None:
        states, mask = encode(graph, encoder_side(model), publish)
        memory = Memory(memory_keys_values(graph, decoder_side(model), states), mask)
    tokens = graph.input("prefix", "int64", ("batch", "target"))
    decode(graph, decoder_side(model), tokens, "target", memory, None, publish)


def build_encoder(graph: Graph, model: Transformer) -> None:
    """Build the graph of the encoder, from ``source`` to what the decoder reads."""
    states, mask = encode(graph, encoder_side(model), lambda name, attended: None)
    graph.output("mask", mask, "bool", ("batch", "source"))
    shape = ("batch", "source", model.decoder.embedding.dim)
    for number, (key, value) in enumerate(memory_keys_values(graph, decoder_side(model), states)):
        graph.output(f"decoder.{number}.memory.key", key, "float32", shape)
        graph.output(f"decoder.{number}.memory.value", value, "float32", shape)


def build_step(graph: Graph, model: Transformer) -> None:
    """Build the graph of the next tokens, from ``tokens``, the outputs of the encoder and the cache of earlier tokens.

    It has no attention weights as outputs.
    """
    side = decoder_side(model)
    tokens = graph.input("tokens", "int64", ("batch", "new"))
    shapes = [cache_shape(side, number) for number in range(len(side.described["layers"]))]
    memory = None
    if model.encoder is not None:
        shape = ("batch", "source", side.embedding.dim)
        mask = graph.input("mask", "bool", shape[:2])
        memory = Memory(
            [pair_of_inputs(graph, f"decoder.{number}.memory", shape) for number in range(len(shapes))], mask
        )
    past = [
        pair_of_inputs(graph, f"decoder.{number}.past", ("batch", groups, "past", head_dim))
        for number, (groups, head_dim) in enumerate(shapes)
    ]

    def publish(name: str, attended: Attended) -> None:
        _, number, kind = name.split(".")
        if kind == "self":
            groups, head_dim = shapes[int(number)]
            shape = ("batch", groups, "length", head_dim)
            graph.output(f"decoder.{number}.present.key", attended.keys, "float32", shape)
            graph.output(f"decoder.{number}.present.value", attended.values, "float32", shape)

    decode(graph, side, tokens, "new", memory, past, publish)


def pair_of_inputs(graph: Graph, name: str, shape: Shape) -> KeysValues:
    """Add the inputs ``name.key`` and ``name.value``."""
    return graph.input(f"{name}.key", "float32", shape), graph.input(f"{name}.value", "float32", shape)


def cache_shape(side: Side, number: int) -> tuple[int, int]:
    """Return the number of groups of heads of a layer, and the size of a head."""
    mixer = side.described["layers"][number]["mixer"]
    return mixer["groups"], side.embedding.dim // mixer["heads"]


def weights_publisher(graph: Graph) -> Publish:
    """Return a function that makes attention weights an output of the graph."""

    def publish(name: str, attended: Attended) -> None:
        side, _, kind = name.split(".")
        query = "source" if side == "encoder" else "target"
        key = "source" if kind == "cross" else query
        graph.output(name, weights_by_head(graph, attended), "float32", ("batch", attended.heads, query, key))

    return publish


def encode(graph: Graph, side: Side, publish: Publish) -> tuple[str, str]:
    """Return the states of the encoder and their mask."""
    source = graph.input("source", "int64", ("batch", "source"))
    mask = graph.apply("Not", graph.apply("Equal", source, graph.constant(PAD)))
    states = Layers(graph, side, source, publish, mask=mask).output()
    return states, mask


def memory_keys_values(graph: Graph, decoder: Side, states: str) -> list[KeysValues]:
    """Return the keys and values of the cross-attention of each layer."""
    layers = range(len(decoder.described["layers"]))
    return [keys_values(graph, states, f"decoder.layers.{number}.cross") for number in layers]


def decode(
    graph: Graph,
    side: Side,
    tokens: str,
    axis: str,
    memory: Memory | None,
    past: list[KeysValues] | None,
    publish: Publish,
) -> None:
    """Build the decoder over ``tokens`` at the positions after ``past``, with the output ``logits``."""
    hidden = Layers(graph, side, tokens, publish, memory=memory, past=past).output()
    weights = graph.apply("Transpose", graph.weight(f"{side.name}.embedding.tokens.weight"), perm=[1, 0])
    shape = ("batch", axis, side.embedding.tokens.num_embeddings)
    graph.output("logits", graph.apply("MatMul", hidden, weights), "float32", shape)
