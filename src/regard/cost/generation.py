"""Generation of one sequence, token by token."""

from __future__ import annotations

import torch

from regard.data.batching import Batch
from regard.model.transformer import Transformer


class Generation:
    """Continues the first row of a batch, given a prefix of its first ``length`` tokens.

    state: the state of the decoder, including keys and values of the memory
    """

    @torch.no_grad()
    def __init__(self, model: Transformer, batch: Batch, length: int) -> None:
        self.decoder = model.eval().decoder
        encoded = model.encode(None if batch.source is None else batch.source[:1])
        self.token = batch.prefix[0, :1]
        _, self.state = self.decoder.extend_last(batch.prefix[:1, :length], self.decoder.start(encoded, rows=1))

    @torch.no_grad()
    def step(self) -> None:
        """Extend the sequence by one token."""
        _, self.state = self.decoder.step(self.token, self.state)
