"""A model as plain values: sizes and options, which formats build it from."""

from __future__ import annotations

from torch import nn

from regard.exchange.layers import Plain, describe_stack
from regard.exchange.unsupported import Unsupported
from regard.model.embedding import Embedding
from regard.model.encoders.text import TextEncoder
from regard.model.encoders.with_encoder import WithEncoder
from regard.model.positions import Learned, NoPositions, Sinusoidal
from regard.model.transformer import Transformer

POSITIONS: dict[type, str] = {Sinusoidal: "sinusoidal", Learned: "learned", NoPositions: "none"}


def describe_model(model: WithEncoder) -> Plain:
    """Return the description of a model, which computes the same with its weights.

    Raises Unsupported naming the option of the model that has no description.
    """
    if type(model) is not Transformer:
        raise Unsupported("model", model, "Transformer")
    encoder = None if model.encoder is None else describe_encoder(model.encoder, model.decoder.embedding)
    return {"encoder": encoder} | describe_decoder(model)


def describe_decoder(model: Transformer) -> Plain:
    """Return the description of a model without its encoder. Raises Unsupported as `describe_model` does."""
    decoder = {"embedding": describe_embedding(model.decoder.embedding, "decoder.embedding")}
    return {
        "dim": model.decoder.embedding.dim,
        "max_length": model.max_length,
        "decoder": decoder | describe_stack(model.decoder.layers),
    }


def describe_encoder(encoder: nn.Module, target: Embedding) -> Plain:
    """Return the description of an encoder. ``target`` is the embedding of the decoder, which it may share."""
    if type(encoder) is not TextEncoder:
        raise Unsupported("model.encoder", encoder, "TextEncoder")
    name = "decoder.embedding" if encoder.embedding is target else "encoder.embedding"
    embedding = describe_embedding(encoder.embedding, name)
    return {"kind": "text", "embedding": embedding} | describe_stack(encoder.layers)


def describe_embedding(embedding: Embedding, name: str) -> Plain:
    """Return the name of an embedding in the weights, and the kind of its positions."""
    if embedding.output is not None:
        raise Unsupported("output", "separate", "null")
    if type(embedding.positions) not in POSITIONS:
        raise Unsupported("model.positions", embedding.positions, "Sinusoidal, Learned, Rotary or NoPositions")
    return {"name": name, "positions": POSITIONS[type(embedding.positions)]}
