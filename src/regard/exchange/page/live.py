"""All that the worker of a page needs to run a model."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

from regard.data.sources.text import TextSource
from regard.exchange.layers import Plain
from regard.exchange.page.deviation import describe_reference
from regard.exchange.page.drawing import describe_drawer, describe_drawn_reference
from regard.exchange.page.pictures import describe_reader
from regard.exchange.page.vocabulary import describe_tokenizer
from regard.exchange.page.weights import WeightFormat, pack_weights
from regard.inference.answer_model import AnswerModel
from regard.inference.drawing.text_to_image import TextToImage
from regard.inference.generator import TextGenerator
from regard.observe.record.likelihood import TEMPERATURES


class Live(NamedTuple):
    """A model for the message ``load`` of the worker.

    description: plain values for JSON
    weights: in base64
    """

    description: Plain
    weights: str


def describe_generator(generator: TextGenerator | TextToImage, matrices: WeightFormat) -> Live:
    """Describe a model and its tokenizers, with the matrices of its weights in a format.

    Raises Unsupported naming the option of the model that a page cannot compute.
    """
    packed = pack_weights(generator.model, matrices)
    description = describe_architecture(generator) | {
        "tensors": packed.tensors,
        "reference": describe_drawn_reference(generator)
        if isinstance(generator, TextToImage)
        else describe_reference(generator),
    }
    return Live(description, b64encode(packed.block).decode("ascii"))


def describe_architecture(generator: TextGenerator | TextToImage) -> Plain:
    """Describe a model and its tokenizers, without its weights. Raises Unsupported as `describe_generator` does."""
    return describe_drawer(generator) if isinstance(generator, TextToImage) else describe_writer(generator)


def describe_writer(generator: TextGenerator) -> Plain:
    """Describe a model that writes text, and its tokenizers, without its weights."""
    source, target = generator.source, generator.target_tokenizer
    separate = isinstance(source, TextSource) and source.tokenizer != target
    return {
        "kind": "transformer",
        "model": describe_reader(generator.model),
        "source": describe_tokenizer(source.tokenizer) if isinstance(source, TextSource) and separate else None,
        "target": describe_tokenizer(target),
        "begins": isinstance(generator, AnswerModel),  # prompts are read after <s>
        "temperatures": TEMPERATURES,
    }
