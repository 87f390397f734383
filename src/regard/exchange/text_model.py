"""The models of formats for text: translation models and language models."""

from __future__ import annotations

from regard.exchange.unsupported import Unsupported
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.encoders.text import TextEncoder
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


def text_model(model: LoadedModel) -> Transformer:
    """Return the network of a translation model or a language model. Raises Unsupported for another model."""
    network, generator = model.model, model.generator
    if network.encoder is not None and type(network.encoder) is not TextEncoder:
        raise Unsupported("model.encoder", network.encoder, "TextEncoder")
    if not isinstance(generator, Translator | LanguageModel) or type(network) is not Transformer:
        raise Unsupported("task.generator", generator, "Translator or LanguageModel")
    return network
