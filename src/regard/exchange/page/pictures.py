"""Models that read images, as plain values."""

from __future__ import annotations

from regard.exchange.layers import Plain, describe_stack
from regard.exchange.model import describe_decoder, describe_model
from regard.exchange.unsupported import Unsupported
from regard.model.encoders.patches import DEVIATION, MEAN, PatchEncoder
from regard.model.encoders.text import TextEncoder
from regard.model.encoders.with_encoder import WithEncoder
from regard.model.transformer import Transformer


def describe_reader(model: WithEncoder) -> Plain:
    """Return the description of a model whose encoder may read images.

    Raises Unsupported naming the option of the model that a page cannot compute.
    """
    if type(model) is not Transformer or model.encoder is None or type(model.encoder) is TextEncoder:
        return describe_model(model)
    if type(model.encoder) is not PatchEncoder:
        raise Unsupported("model.encoder", model.encoder, "TextEncoder or PatchEncoder")
    return describe_decoder(model) | {"encoder": describe_patches(model.encoder)}


def describe_patches(encoder: PatchEncoder) -> Plain:
    """Return the sizes of an encoder of image patches, and its layers."""
    return {
        "kind": "patches",
        "image_size": encoder.image_size,
        "grid": encoder.grid,
        "stem": len(encoder.stem),
        "mean": MEAN,
        "deviation": DEVIATION,
    } | describe_stack(encoder.layers)
