"""Scores of language models: bits per byte, and continuations to read."""

from __future__ import annotations

import math
from itertools import islice

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.data.tokenizer.specials import BOS
from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel
from regard.training.task import Sample, Task


class LanguageScorer:
    """Computes bits per byte, and samples continuations of the first validation documents.

    samples: number of documents that are continued after a validation
    prompt_tokens: tokens of each document that the model reads after ``<s>``, at most its context
    new_tokens: tokens that it generates
    temperature: of the sampling, which uses the same random numbers every time
    """

    def __init__(self, samples: int, prompt_tokens: int, new_tokens: int, temperature: float) -> None:
        self.count, self.prompt_tokens, self.new_tokens = samples, prompt_tokens, new_tokens
        self.sampling = Sampling(temperature)

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """Return no outputs: blocks of text have none."""
        return {}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Return continuations of the first documents of the validation part."""
        if split != "validation" or not self.count:
            return []
        language_model = LanguageModel(task.model, task.target_tokenizer)
        # A document may be a whole corpus. Only its beginning is encoded: a token has at most about 20 bytes.
        characters = 20 * (self.prompt_tokens + self.new_tokens)
        beginnings = [text[:characters] for (text,) in islice(task.data.records(split), self.count)]
        rows = [[BOS, *language_model.tokenizer.encode(text)] for text in beginnings]
        prompts = [row[: min(1 + self.prompt_tokens, task.model.max_length)] for row in rows]
        written = language_model.continue_prompts(prompts, self.sampling, self.new_tokens, seed=1)
        decode = language_model.tokenizer.decode
        return [
            Sample(decode(prompt), decode(row[len(prompt) : len(prompt) + self.new_tokens]), decode(new))
            for row, prompt, new in zip(rows, prompts, written, strict=True)
        ]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Return bits_per_byte: bits of all tokens of the split, document ends included, per byte of UTF-8 text."""
        tokens, size = task.data.size(split)
        return {"bits_per_byte": loss / math.log(2) * tokens / size}

    def score_sample(self, sample: Sample) -> float | None:
        """Return None: a text has many good continuations."""
        return None

    def signatures(self) -> dict[str, str]:
        """Return no signatures."""
        return {}
