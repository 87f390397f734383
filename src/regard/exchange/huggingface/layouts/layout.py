"""Layouts: models of the library transformers that compute the same as a model of regard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol

from regard.exchange.huggingface.layouts.blocks import Block
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.layers import Plain
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class Layout(Protocol):
    """A class of models of transformers.

    model_type: its name in config.json
    architecture: the class, with a head that predicts tokens
    task: the task of such models in regard
    unused: regular expression of the names of further tensors, which have no effect
    """

    model_type: ClassVar[str]
    architecture: ClassVar[str]
    task: ClassVar[str]
    unused: ClassVar[str]

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """Return what config.json contains beyond the names of the class, sizes of the vocabulary and special ids.

        ``plan`` describes the model, see `regard.exchange.model.describe_model`. Raises Unsupported for a model
        that the layout cannot represent.
        """

    def options(self, config: TheirConfig) -> Plain:
        """Return the configuration of the model of regard that computes the same, without the vocabulary.

        Raises UsageError naming the key of config.json that no model of regard has.
        """

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """Yield the weights of a model that the layout can represent. Weights that are tied there are one tensor."""
