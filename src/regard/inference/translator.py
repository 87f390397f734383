"""A trained translator: text in, text out."""

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
    """A model with the tokenizers it was trained on."""

    model: Transformer
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    def encode_sources(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Token ids that the encoder reads, and which texts were too long for it and were cut."""
        limit = self.model.max_length
        rows = [[*ids, EOS] for ids in self.source_tokenizer.encode_batch(list(texts))]
        cut = [number for number, row in enumerate(rows) if len(row) > limit]
        return [row if len(row) <= limit else [*row[: limit - 1], EOS] for row in rows], cut

    def translate(
        self, rows: list[list[int]], beam_size: int = 1, alpha: float = 1.0, tokens_per_batch: int = 4096
    ) -> Iterator[tuple[int, Hypothesis]]:
        """(number of the row, its translation), sentences of like length together, longest first.

        ``tokens_per_batch`` counts padded source tokens times beams.
        """
        lengths = np.array([len(row) for row in rows], dtype=np.int32)
        order = np.argsort(-lengths, kind="stable")
        for batch in cut_batches(order, lengths, max(1, tokens_per_batch // beam_size)):
            found = self.decode(pad([rows[i] for i in batch]).to(self.device), beam_size, alpha)
            yield from zip(batch.tolist(), found, strict=True)

    @torch.inference_mode()
    def decode(self, source: Tensor, beam_size: int = 1, alpha: float = 1.0) -> list[Hypothesis]:
        """Translations of right-padded token ids ("batch source"); greedy with a beam of 1.

        An output ends after twice the source's tokens plus ten at the latest, or at the model's limit.
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
        """Token ids that the decoder writes, and which texts were too long for it and were cut."""
        limit = self.model.max_length
        rows = [[*ids, EOS] for ids in self.target_tokenizer.encode_batch(list(texts))]
        return [row[:limit] for row in rows], [number for number, row in enumerate(rows) if len(row) > limit]

    def log_probabilities(
        self, sources: list[list[int]], targets: list[list[int]], tokens_per_batch: int = 4096
    ) -> list[list[float]]:
        """The log-probability (natural) of each token of each target, given its source and what is before it."""
        lengths = np.array([max(map(len, pair)) for pair in zip(sources, targets, strict=True)], dtype=np.int32)
        order = np.argsort(-lengths, kind="stable")
        batches = (
            pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows.tolist())
            for rows in cut_batches(order, lengths, tokens_per_batch)
        )
        scored = dict(target_log_probabilities(self.model, batches))
        return [scored[row] for row in range(len(targets))]

    def text(self, hypothesis: Hypothesis) -> str:
        """The hypothesis as text."""
        return self.target_tokenizer.decode(hypothesis.tokens)
