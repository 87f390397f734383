"""What all models have in common: a limit of the length of texts, and an encoder if there is a source."""

from torch import Tensor, nn

from regard.model.encoders.encoder import Encoded
from regard.model.recorder import Recorder


class WithEncoder(nn.Module):
    """A model with an encoder, or without one if the task has no source.

    max_length: largest length of a text, in tokens
    """

    encoder: nn.Module | None

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def encode(self, source: Tensor | None, record: Recorder | None = None) -> Encoded | None:
        """Encode ``source`` to the memory; None for a model without an encoder.

        Raises TypeError for an encoder without a source, or a source without an encoder.
        """
        if (self.encoder is None) != (source is None):
            raise TypeError("a model with an encoder needs a source, and a model without an encoder must not get one")
        if self.encoder is None:
            return None
        encoded: Encoded = self.encoder(source, record and record.under("encoder"))
        return encoded
