"""Which sentences are looked at while a model learns."""

from __future__ import annotations

import heapq
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from regard.inference.language_model import LanguageModel
from regard.training.task import Task

CONSIDERED = 64
"""Passages that a language model's extremes are chosen from."""

LOOKED_THROUGH = 1 << 20
"""Characters of the validation part that these passages come from."""


BLANK_LINES = re.compile(r"\n\s*\n")


class ProbeSentence(NamedTuple):
    """A sentence to look at, and why; of a language model the source is the text, and there is no reference."""

    reason: str
    source: str
    reference: str | None = None


class SentenceSelector:
    """Chooses sentences of at most ``longest`` tokens: some that stay the same, and the extremes of each validation.

    Of a language model they are the beginnings of documents, and its extremes those of passages between blank lines.
    If no sentence of a translation corpus is that short, the shortest ones are taken, with a warning.

    given: texts that are always there, whatever their length
    first: how many of the validation part follow
    extremes: how many of the worst and how many of the best; by sentence BLEU, or of a language model by the mean
        log-probability of the tokens, as if each began a document
    """

    def __init__(self, given: Sequence[str], first: int, extremes: int, longest: int) -> None:
        self.given, self.first, self.extremes, self.longest = list(given), first, extremes, longest

    def select_fixed(self, task: Task) -> list[ProbeSentence]:
        """Those that stay the same."""
        given = [ProbeSentence("given", text) for text in self.given]
        if task.model.encoder is None:
            return [*given, *(ProbeSentence("first", text) for text in islice(self._beginnings(task), self.first))]
        if not self.first and not self.extremes:
            return given
        records = (record for record in task.data.records("validation") if self._fits(task, record[0]))
        found = [ProbeSentence("first", source, target) for source, target in islice(records, max(1, self.first))]
        return [*given, *(found[: self.first] if found else self._shortest(task))]

    def _shortest(self, task: Task) -> list[ProbeSentence]:
        """The shortest of the validation part, one at least; the warning names the key."""
        lengths = (
            (len(task.source_tokenizer.encode(source)) + 1, source, target)
            for source, target in task.data.records("validation")
            if source.strip()
        )
        found = heapq.nsmallest(max(1, self.first), lengths, key=lambda each: each[0])
        if not found:
            warnings.warn("callbacks.attention: every validation sentence is empty; none is shown", stacklevel=2)
            return []
        warnings.warn(
            f"callbacks.attention.longest={self.longest}: every validation sentence has more tokens; "
            f"the shortest are shown instead, from {found[0][0]} tokens on",
            stacklevel=2,
        )
        return [ProbeSentence("shortest", source, target) for _, source, target in found]

    def select_extremes(self, task: Task, fixed: Sequence[ProbeSentence]) -> list[ProbeSentence]:
        """The worst and the best of the validation that has just been made, without the ``fixed`` ones."""
        if not self.extremes:
            return []
        known = {each.source for each in fixed}
        found = self._read(task) if task.model.encoder is None else self._translated(task)
        scored = sorted((each for each in found if each[1].source not in known), key=lambda each: each[0])
        worst = scored[: self.extremes]
        best = scored[len(worst) :][::-1][: self.extremes]
        return [
            *(each._replace(reason=f"worst, {each.reason}") for _, each in worst),
            *(each._replace(reason=f"best, {each.reason}") for _, each in best),
        ]

    def _translated(self, task: Task) -> Iterator[tuple[tuple[float, int], ProbeSentence]]:
        """Worst first: by BLEU, and of equal ones the longer is the better or the worse, since it shows more."""
        for sample in task.samples:
            if self._fits(task, sample.source):
                score, length = task.scorer.score_sample(sample) or 0.0, len(sample.source)
                order = (score, length if score >= 50 else -length)
                yield order, ProbeSentence(f"BLEU {score:.1f}", sample.source, sample.reference)

    def _read(self, task: Task) -> Iterator[tuple[tuple[float, int], ProbeSentence]]:
        model = LanguageModel(task.model, task.target_tokenizer)
        texts = list(dict.fromkeys(self._passages(task)))
        for text, (*tokens, _) in zip(texts, model.log_probabilities(texts), strict=True):  # it need not end there
            mean = sum(value for _, value in tokens) / max(1, len(tokens))
            yield (mean, 0), ProbeSentence(f"{-mean:.2f} nats a token", text)

    def _fits(self, task: Task, source: str) -> bool:
        return bool(source.strip()) and len(task.source_tokenizer.encode(source)) < self.longest

    def _beginnings(self, task: Task) -> Iterator[str]:
        return (self._begin(task, text) for (text,) in task.data.records("validation") if text.strip())

    def _passages(self, task: Task) -> list[str]:
        """Beginnings of passages, evenly spread over the part that is looked through."""
        found: list[str] = []
        room = LOOKED_THROUGH
        for (text,) in task.data.records("validation"):
            found += [passage for passage in BLANK_LINES.split(text[:room]) if passage.strip()]
            room -= len(text)
            if room <= 0:
                break
        every = max(1, len(found) // CONSIDERED)
        return [self._begin(task, passage) for passage in found[::every][:CONSIDERED]]

    def _begin(self, task: Task, text: str) -> str:
        """The first ``longest`` tokens; each has some 20 bytes at most, and a document may be a whole corpus."""
        tokenizer = task.source_tokenizer
        return tokenizer.decode(tokenizer.encode(text[: 20 * self.longest])[: self.longest])
