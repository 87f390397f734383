"""The encoder of sentences."""

from jaxtyping import Int
from torch import Tensor, nn

from regard.model.embedding import Embedding
from regard.model.encoders.encoder import Encoded
from regard.model.layer import LayerFactory
from regard.model.recorder import Recorder
from regard.model.stack import Stack


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
