"""A trained language model: continuation and scoring of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import Batch, cut_batches, pad
from regard.data.sources.source import Source
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.inference.continuation import continue_rows, read_prompts
from regard.inference.decoding import Sampling
from regard.inference.forced_pass import target_log_probabilities
from regard.inference.generator import EmbeddingTable, ForcedExample, Scored
from regard.model.transformer import Transformer


class LanguageModel:
    """A model without an encoder, and its tokenizer. See `Generator`."""

    noun: ClassVar[str] = "a language model"
    verb: ClassVar[str] = "generate"
    source_option: ClassVar[str | None] = None
    input_noun: ClassVar[str] = "a text"
    input_files: ClassVar[str | None] = "--target-file alone"

    def __init__(self, model: Transformer, tokenizers: Tokenizers) -> None:
        self.model, self.target_tokenizer = model, tokenizers.target
        self.source: Source | None = None

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def encode_prompt(self, text: str) -> tuple[list[int], bool]:
        """Return the token ids of a prompt, and whether it was cut to its end because it is longer than the context.

        A prompt may be from any place in a text. An empty prompt is the beginning of a document.
        """
        ids = self.target_tokenizer.encode(text) or [BOS]
        return ids[-self.model.max_length :], len(ids) > self.model.max_length

    def continue_prompts(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, max_new_tokens: int, seed: int
    ) -> list[list[int]]:
        """Return the new tokens that `generate` yields for each prompt. Row i is sampled with the seed (seed, i)."""
        written: list[list[int]] = [[] for _ in prompts]
        for row, token in self.generate(
            prompts, sampling, max_new_tokens, [[seed, row] for row in range(len(prompts))]
        ):
            written[row].append(token)
        return written

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, max_new_tokens: int, seeds: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, int]]:
        """Yield (row, next token) of each prompt, see `regard.inference.continuation.continue_rows`."""
        yield from continue_rows(self.model, prompts, sampling, max_new_tokens, seeds)

    @torch.inference_mode()
    def next_logits(self, prompt: Sequence[int]) -> Tensor:
        """Return the logits of the token after a prompt, "vocab"."""
        logits, _ = read_prompts(self.model, [list(prompt)])
        logits[:, [PAD, BOS]] = -torch.inf
        return logits[0]

    def log_probabilities(self, texts: Sequence[str], tokens_per_batch: int = 8192) -> list[Scored]:
        """Return the tokens of each text and their log-probabilities (natural). Each text is a document with its end.

        A text longer than the context is read in parts that overlap by half.
        """
        length = self.model.max_length
        half = max(1, length // 2)
        targets = [[*self.target_tokenizer.encode(text), EOS] for text in texts]
        prefixes = [decoder_prefix(target) for target in targets]
        parts = [
            (text, start)
            for text, target in enumerate(targets)
            for start in range(0, max(1, len(target) - (length - half)), half)
        ]
        read = [prefixes[text][start : start + length] for text, start in parts]
        predicted = [targets[text][start : start + length] for text, start in parts]
        sizes = np.array([len(part) for part in predicted], dtype=np.int32)
        batches = (
            Batch(
                prefix=pad([read[row] for row in rows]),
                target=pad([predicted[row] for row in rows]),
                source=None,
                documents=None,
                step_tokens=int(sizes[rows].sum()),
                rows=rows.tolist(),
            )
            for rows in cut_batches(np.argsort(-sizes, kind="stable"), sizes, tokens_per_batch)
        )
        scored = dict(target_log_probabilities(self.model, batches))
        joined: list[list[float]] = [[] for _ in texts]
        for row, (text, start) in enumerate(parts):
            joined[text] += scored[row][length - half if start else 0 :]
        return [list(zip(target, values, strict=True)) for target, values in zip(targets, joined, strict=True)]

    def forced_example(
        self, given: Any | None, target: str | None, beam_size: int = 1, alpha: float = 1.0
    ) -> ForcedExample:
        """Return ``target`` at the start of a document. Raises ValueError without a target."""
        if target is None:
            raise ValueError("a language model reads a text, but none is given")
        output = self.target_tokenizer.encode(target)[: self.model.max_length - 1]
        return ForcedExample(None, output, "", self.target_tokenizer.decode(output))

    def score(self, lines: Sequence[str], first: int) -> list[Scored]:
        """See `Generator`. Each line is a document, of any length."""
        return self.log_probabilities(lines)

    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """See `Generator`."""
        return {"target": EmbeddingTable(self.model.decoder.embedding, self.target_tokenizer)}

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""
        return [
            f"regard generate {run} --prompt {example}",
            f"regard generate {run} --prompt {example} --next 10",
            f"regard attend {run} --target {example}",
            f"regard export {run} --to page --output model.html",
        ]
