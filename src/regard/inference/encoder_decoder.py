"""Generators with an encoder: beam search and scoring of targets, given a source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from regard.data.batching import cut_batches
from regard.data.sources.source import Source
from regard.data.teacher_forcing import forced_batch
from regard.data.tokenizer.specials import BOS, EOS
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.errors import RegardError
from regard.inference.decoding import Hypothesis, beam_search, greedy
from regard.inference.forced_pass import target_log_probabilities
from regard.inference.generator import EmbeddingTable, ForcedExample, Scored
from regard.inference.replayed_steps import steps_of
from regard.model.decoder import Decoder
from regard.model.encoders.encoder import Encoded
from regard.model.transformer import Transformer


def search(
    decoder: Decoder, encoded: Encoded, limits: Int[Tensor, " batch"], beam_size: int, alpha: float, end: int = EOS
) -> list[Hypothesis]:
    """Return the most likely output for each encoded source, up to ``end`` or its limit; with a beam of 1, greedily."""
    state = decoder.start(encoded, rows=len(limits) * beam_size)
    if beam_size == 1:
        return greedy(steps_of(decoder), state, limits, BOS, end)
    return beam_search(decoder.step, state, limits, BOS, end, beam_size, alpha)


class EncoderDecoder(ABC):
    """A model with an encoder, and its tokenizers. Subclasses say what the source is. See `Generator`."""

    noun: ClassVar[str]
    verb: ClassVar[str]
    source_option: ClassVar[str | None]
    input_noun: ClassVar[str]
    input_files: ClassVar[str | None]

    def __init__(self, model: Transformer, tokenizers: Tokenizers) -> None:
        self.model, self.target_tokenizer = model, tokenizers.target
        self.source = self.make_source(model, tokenizers)

    @abstractmethod
    def make_source(self, model: Transformer, tokenizers: Tokenizers) -> Source:
        """Return the source of the model."""

    @abstractmethod
    def output_limits(self, encoded: Encoded) -> Int[Tensor, " batch"]:
        """Return the largest number of output tokens for each encoded source, without the limit of the model."""

    @abstractmethod
    def read_line(self, line: str, where: str) -> tuple[Any, str]:
        """Return the input and the target of a line of `regard score`; ``where`` names the line in messages."""

    @abstractmethod
    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """See `Generator`."""

    @classmethod
    @abstractmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def generate(
        self, examples: Sequence[Any], beam_size: int = 1, alpha: float = 1.0, tokens_per_batch: int = 4096
    ) -> Iterator[tuple[int, Hypothesis]]:
        """Yield (number of the example, its output), in batches of similar length, longest first.

        ``tokens_per_batch`` limits padded positions of the memory times beams.
        """
        lengths = np.array([self.source.length(example) for example in examples], dtype=np.int32)
        order = np.argsort(-lengths, kind="stable")
        for batch in cut_batches(order, lengths, max(1, tokens_per_batch // beam_size)):
            source = self.source.collate([examples[i] for i in batch]).to(self.device)
            yield from zip(batch.tolist(), self.decode(source, beam_size, alpha), strict=True)

    @torch.inference_mode()
    def decode(self, source: Tensor, beam_size: int = 1, alpha: float = 1.0) -> list[Hypothesis]:
        """Return the most likely output for each row of a collated source; with a beam of 1, greedily."""
        encoded = self.model.encode(source)
        if encoded is None:
            raise TypeError(f"{self.noun} needs an encoder")
        limits = self.output_limits(encoded).clamp(max=self.model.max_length - 1)
        return search(self.model.decoder, encoded, limits, beam_size, alpha)

    def encode_targets(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return the token ids of texts as targets, and the numbers of the texts that were cut to the limit."""
        limit = self.model.max_length
        rows = [[*ids, EOS] for ids in self.target_tokenizer.encode_batch(list(texts))]
        return [row[:limit] for row in rows], [number for number, row in enumerate(rows) if len(row) > limit]

    def log_probabilities(
        self, examples: Sequence[Any], targets: list[list[int]], tokens_per_batch: int = 4096
    ) -> list[list[float]]:
        """Return the log-probability (natural) of each token of each target, given its source and earlier tokens."""
        lengths = np.array(
            [max(self.source.length(e), len(t)) for e, t in zip(examples, targets, strict=True)], dtype=np.int32
        )
        batches = (
            forced_batch(self.source.collate([examples[r] for r in rows]), [targets[r] for r in rows], rows.tolist())
            for rows in cut_batches(np.argsort(-lengths, kind="stable"), lengths, tokens_per_batch)
        )
        scored = dict(target_log_probabilities(self.model, batches))
        return [scored[row] for row in range(len(targets))]

    def text(self, hypothesis: Hypothesis) -> str:
        """Detokenise a hypothesis."""
        return self.target_tokenizer.decode(hypothesis.tokens)

    def forced_example(
        self, given: Any | None, target: str | None, beam_size: int = 1, alpha: float = 1.0
    ) -> ForcedExample:
        """See `Generator`."""
        (example,), _ = self.source.encode([given])
        if target is None:
            output = self.decode(self.source.collate([example]).to(self.device), beam_size, alpha)[0].tokens
            target = self.target_tokenizer.decode(output)
        else:
            output = self.target_tokenizer.encode(target)[: self.model.max_length - 1]
        return ForcedExample(example, output, self.source.describe(given), target)

    def score(self, lines: Sequence[str], first: int) -> list[Scored]:
        """See `Generator`."""
        pairs = [self.read_line(line, f"stdin, line {number}") for number, line in enumerate(lines, start=first)]
        examples, sources_cut = self.source.encode([given for given, _ in pairs])
        targets, targets_cut = self.encode_targets([target for _, target in pairs])
        for row in sorted({*sources_cut, *targets_cut}):
            raise RegardError(
                f"stdin, line {first + row}: the source or target is longer than the limit of the model "
                f"({self.model.max_length} tokens); shorten it"
            )
        values = self.log_probabilities(examples, targets)
        return [list(zip(*row, strict=True)) for row in zip(targets, values, strict=True)]
