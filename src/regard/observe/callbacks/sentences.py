"""Select the sentences whose attention is recorded during training."""

from __future__ import annotations

import heapq
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from regard.inference.language_model import LanguageModel
from regard.training.task import Task

CANDIDATES = 64
"""Number of passages from which the extremes of a language model are selected."""

SEARCHED_CHARACTERS = 1 << 20
"""Number of characters at the start of the validation part in which these passages are searched."""

BLANK_LINES = re.compile(r"\n\s*\n")


class ProbeSentence(NamedTuple):
    """A sentence and the reason for its selection. For a language model, source is the text and reference is None."""

    reason: str
    source: str
    reference: str | None = None


class SentenceSelector:
    """Selects sentences of at most ``longest`` tokens: fixed ones, and the extremes of each validation.

    For a language model, the fixed ones are beginnings of documents and the extremes are passages between blank lines.
    If every sentence of a translation corpus is longer, the shortest ones are selected, with a warning.

    given: texts that are always selected, of any length
    first: number of sentences from the start of the validation part
    extremes: number of worst sentences, and of best sentences: by sentence BLEU, or for a language model by the mean
        log-probability of the tokens of a passage at the start of a document
    """

    def __init__(self, given: Sequence[str], first: int, extremes: int, longest: int) -> None:
        self.given, self.first, self.extremes, self.longest = list(given), first, extremes, longest

    def select_fixed(self, task: Task) -> list[ProbeSentence]:
        """Select the sentences that are the same in every validation."""
        given = [ProbeSentence("given", text) for text in self.given]
        if task.model.encoder is None:
            return [*given, *(ProbeSentence("first", text) for text in islice(self._beginnings(task), self.first))]
        if not self.first and not self.extremes:
            return given
        records = (record for record in task.data.records("validation") if self._fits(task, record[0]))
        found = [ProbeSentence("first", source, target) for source, target in islice(records, max(1, self.first))]
        return [*given, *(found[: self.first] if found else self._shortest(task))]

    def _shortest(self, task: Task) -> list[ProbeSentence]:
        """Return the shortest sentences of the validation part, at least one; warn with the name of the key."""
        lengths = (
            (len(task.source_tokenizer.encode(source)) + 1, source, target)
            for source, target in task.data.records("validation")
            if source.strip()
        )
        found = heapq.nsmallest(max(1, self.first), lengths, key=lambda each: each[0])
        if not found:
            warnings.warn("callbacks.attention: all validation sentences are empty, none is recorded", stacklevel=2)
            return []
        warnings.warn(
            f"callbacks.attention.longest={self.longest}: all validation sentences have more tokens; "
            f"the shortest are recorded instead, the first has {found[0][0]} tokens",
            stacklevel=2,
        )
        return [ProbeSentence("shortest", source, target) for _, source, target in found]

    def select_extremes(self, task: Task, fixed: Sequence[ProbeSentence]) -> list[ProbeSentence]:
        """Select the worst and the best sentences of the latest validation, except the ``fixed`` ones."""
        if not self.extremes:
            return []
        known = {each.source for each in fixed}
        found = self._scored_passages(task) if task.model.encoder is None else self._scored_translations(task)
        scored = sorted((each for each in found if each[1].source not in known), key=lambda each: each[0])
        worst = scored[: self.extremes]
        best = scored[len(worst) :][::-1][: self.extremes]
        return [
            *(each._replace(reason=f"worst, {each.reason}") for _, each in worst),
            *(each._replace(reason=f"best, {each.reason}") for _, each in best),
        ]

    def _scored_translations(self, task: Task) -> Iterator[tuple[tuple[float, int], ProbeSentence]]:
        """Pair each sentence with a sort key: BLEU, then length, such that longer sentences are closer to both ends."""
        for sample in task.samples:
            if self._fits(task, sample.source):
                score, length = task.scorer.score_sample(sample) or 0.0, len(sample.source)
                order = (score, length if score >= 50 else -length)
                yield order, ProbeSentence(f"BLEU {score:.1f}", sample.source, sample.reference)

    def _scored_passages(self, task: Task) -> Iterator[tuple[tuple[float, int], ProbeSentence]]:
        model = LanguageModel(task.model, task.target_tokenizer)
        texts = list(dict.fromkeys(self._passages(task)))
        # The last token is the end of the document, which is not part of the passage.
        for text, (*tokens, _) in zip(texts, model.log_probabilities(texts), strict=True):
            mean = sum(value for _, value in tokens) / max(1, len(tokens))
            yield (mean, 0), ProbeSentence(f"{-mean:.2f} nats/token", text)

    def _fits(self, task: Task, source: str) -> bool:
        return bool(source.strip()) and len(task.source_tokenizer.encode(source)) < self.longest

    def _beginnings(self, task: Task) -> Iterator[str]:
        return (self._begin(task, text) for (text,) in task.data.records("validation") if text.strip())

    def _passages(self, task: Task) -> list[str]:
        """Return the beginnings of passages, evenly spaced over the searched part."""
        found: list[str] = []
        room = SEARCHED_CHARACTERS
        for (text,) in task.data.records("validation"):
            found += [passage for passage in BLANK_LINES.split(text[:room]) if passage.strip()]
            room -= len(text)
            if room <= 0:
                break
        every = max(1, len(found) // CANDIDATES)
        return [self._begin(task, passage) for passage in found[::every][:CANDIDATES]]

    def _begin(self, task: Task, text: str) -> str:
        """Return the first ``longest`` tokens."""
        tokenizer = task.source_tokenizer
        # A document may be a whole corpus, so that only 20 characters per token are encoded.
        return tokenizer.decode(tokenizer.encode(text[: 20 * self.longest])[: self.longest])
