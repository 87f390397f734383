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
    """Reports bits per byte, and continues the beginnings of a few validation documents.

    samples: how many documents are continued after a validation, for reading
    prompt_tokens, new_tokens: what the model is given of each after ``<s>``, at most its context; how much it writes
    temperature: of the continuation; they are drawn alike every time
    """

    def __init__(self, samples: int, prompt_tokens: int, new_tokens: int, temperature: float) -> None:
        self.count, self.prompt_tokens, self.new_tokens = samples, prompt_tokens, new_tokens
        self.sampling = Sampling(temperature)

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """None: a block is scored as it is."""
        return {}

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Continuations of the first documents of the validation part."""
        if split != "validation" or not self.count:
            return []
        language_model = LanguageModel(task.model, task.target_tokenizer)
        # A document may be a whole corpus: its beginning is enough, a token has some 20 bytes at most.
        most = 20 * (self.prompt_tokens + self.new_tokens)
        begins = [text[:most] for (text,) in islice(task.data.records(split), self.count)]
        rows = [[BOS, *language_model.tokenizer.encode(text)] for text in begins]
        prompts = [row[: min(1 + self.prompt_tokens, task.model.max_length)] for row in rows]
        written = language_model.continue_prompts(prompts, self.sampling, self.new_tokens, seed=1)
        decode = language_model.tokenizer.decode
        return [
            Sample(decode(prompt), decode(row[len(prompt) : len(prompt) + self.new_tokens]), decode(new))
            for row, prompt, new in zip(rows, prompts, written, strict=True)
        ]

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """bits_per_byte: what the split takes, document ends included, per byte of its text in UTF-8."""
        tokens, size = task.data.size(split)
        return {"bits_per_byte": loss / math.log(2) * tokens / size}

    def score_sample(self, sample: Sample) -> float | None:
        """None: a text may go on in many ways."""
        return None

    def signatures(self) -> dict[str, str]:
        """None."""
        return {}
