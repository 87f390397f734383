"""A trained translation model: translation and scoring of text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import cut_batches, pad
from regard.data.teacher_forcing import pair_batch
from regard.data.tokenizer.specials import BOS, EOS
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.decoding import Hypothesis, beam_search, greedy
from regard.inference.forced_pass import target_log_probabilities
from regard.model.transformer import Transformer


class Translator(NamedTuple):
    """A model with an encoder, and its tokenizers."""

    model: Transformer
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def encode_sources(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return the token ids of texts for the encoder, and the numbers of the texts that were cut to its limit."""
        limit = self.model.max_length
        rows = [[*ids, EOS] for ids in self.source_tokenizer.encode_batch(list(texts))]
        cut = [number for number, row in enumerate(rows) if len(row) > limit]
        return [row if len(row) <= limit else [*row[: limit - 1], EOS] for row in rows], cut

    def translate(
        self, rows: list[list[int]], beam_size: int = 1, alpha: float = 1.0, tokens_per_batch: int = 4096
    ) -> Iterator[tuple[int, Hypothesis]]:
        """Yield (number of the row, its translation), in batches of similar length, longest first.

        ``tokens_per_batch`` limits padded source tokens times beams.
        """
        lengths = np.array([len(row) for row in rows], dtype=np.int32)
        order = np.argsort(-lengths, kind="stable")
        for batch in cut_batches(order, lengths, max(1, tokens_per_batch // beam_size)):
            found = self.decode(pad([rows[i] for i in batch]).to(self.device), beam_size, alpha)
            yield from zip(batch.tolist(), found, strict=True)

    @torch.inference_mode()
    def decode(self, source: Tensor, beam_size: int = 1, alpha: float = 1.0) -> list[Hypothesis]:
        """Translate right-padded token ids, "batch source"; with a beam of 1, greedily.

        An output has at most ten tokens more than twice the source, and at most the limit of the model.
        """
        encoded = self.model.encode(source)
        if encoded is None:
            raise TypeError("a model without an encoder cannot translate")
        limits = (2 * encoded.mask.sum(dim=-1) + 10).clamp(max=self.model.max_length - 1)
        state = self.model.decoder.start(encoded, rows=len(source) * beam_size)
        if beam_size == 1:
            return greedy(self.model.decoder.step, state, limits, BOS, EOS)
        return beam_search(self.model.decoder.step, state, limits, BOS, EOS, beam_size, alpha)

    def encode_targets(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return the token ids of texts as targets, and the numbers of the texts that were cut to the limit."""
        limit = self.model.max_length
        rows = [[*ids, EOS] for ids in self.target_tokenizer.encode_batch(list(texts))]
        return [row[:limit] for row in rows], [number for number, row in enumerate(rows) if len(row) > limit]

    def log_probabilities(
        self, sources: list[list[int]], targets: list[list[int]], tokens_per_batch: int = 4096
    ) -> list[list[float]]:
        """Return the log-probability (natural) of each token of each target, given its source and earlier tokens."""
        lengths = np.array([max(map(len, pair)) for pair in zip(sources, targets, strict=True)], dtype=np.int32)
        order = np.argsort(-lengths, kind="stable")
        batches = (
            pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows.tolist())
            for rows in cut_batches(order, lengths, tokens_per_batch)
        )
        scored = dict(target_log_probabilities(self.model, batches))
        return [scored[row] for row in range(len(targets))]

    def text(self, hypothesis: Hypothesis) -> str:
        """Detokenise a hypothesis."""
        return self.target_tokenizer.decode(hypothesis.tokens)
