"""Encoders: from a source to the memory that the decoder attends to."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from regard.model.embedding import Embedding
from regard.model.layer import LayerFactory
from regard.model.recorder import Recorder
from regard.model.stack import Stack


class Encoded(NamedTuple):
    """An encoded source: its vectors, and a mask that is False at padding."""

    states: Float[Tensor, "batch source dim"]
    mask: Bool[Tensor, "batch source"]


@runtime_checkable
class Pretrained(Protocol):
    """An encoder that a run starts with weights from elsewhere.

    Its constructor does not read them, since a checkpoint contains all weights. A run loads them before its first step,
    unless it starts with a checkpoint.
    """

    def read_pretrained(self) -> Mapping[str, Tensor] | None:
        """Return these weights; None to start with random weights. Raises RegardError if they cannot be used."""

    def load_pretrained(self) -> None:
        """Load `read_pretrained`."""


class TextEncoder(nn.Module):
    """A stack of layers in which every position attends to the whole sentence."""

    def __init__(self, embedding: Embedding, layer: LayerFactory, depth: int, padding: int = 0) -> None:
        super().__init__()
        self.padding = padding
        self.embedding = embedding
        self.layers = Stack(layer, depth, causal=False, cross=False)
        self.norm = self.layers.final_norm()

    def forward(self, source: Int[Tensor, "batch source"], record: Recorder | None = None) -> Encoded:
        """Encode right-padded sentences."""
        mask = source != self.padding
        return Encoded(self.norm(self.layers(self.embedding(source), mask[:, None], record=record)), mask)
