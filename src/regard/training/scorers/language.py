"""Scores of language models: bits per byte, and continuations to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.data.tokenizer.specials import BOS
from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel
from regard.training.scorers.given import warn_of_long_texts
from regard.training.scorers.passages import first_beginnings, rated_passages
from regard.training.scorers.scorer import ProbeExample, Sample
from regard.training.task import Task


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
        language_model = _language_model(task)
        # A document may be a whole corpus. Only its beginning is encoded: a token has at most about 20 bytes.
        characters = 20 * (self.prompt_tokens + self.new_tokens)
        beginnings = [text[:characters] for (text,) in islice(task.data.records(split), self.count)]
        rows = [[BOS, *language_model.target_tokenizer.encode(text)] for text in beginnings]
        prompts = [row[: min(1 + self.prompt_tokens, task.model.max_length)] for row in rows]
        written = language_model.continue_prompts(prompts, self.sampling, self.new_tokens, seed=1)
        decode = language_model.target_tokenizer.decode
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

    def given_examples(self, task: Task, texts: Sequence[str]) -> list[ProbeExample]:
        """See `Scorer`. The texts are beginnings of documents."""
        warn_of_long_texts(texts, task.tokenizers.target, task.model.max_length - 1)
        return [ProbeExample("given", text, None, text) for text in texts]

    def fixed_examples(self, task: Task, count: int, longest: int) -> list[ProbeExample]:
        """See `Scorer`: the first ``longest`` tokens of documents."""
        return first_beginnings(task.data, task.tokenizers.target, count, longest)

    def rated_examples(self, task: Task, longest: int) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
        """See `Scorer`: passages between blank lines, by the mean log-probability of their tokens."""
        return rated_passages(task.data, _language_model(task), longest)

    def signatures(self) -> dict[str, str]:
        """Return no signatures."""
        return {}


def _language_model(task: Task) -> LanguageModel:
    if not isinstance(task.generator, LanguageModel):
        raise TypeError("this scorer needs a language model")
    return task.generator
