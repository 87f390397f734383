"""Log-probabilities of given text, by line and by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from regard.errors import RegardError
from regard.inference.language_model import LanguageModel
from regard.inference.perplexity import perplexity
from regard.inference.translator import Translator

CHUNK_LINES = 512

Scored = list[tuple[int, float]]
"""The tokens of a text, its end included, with their log-probabilities (natural)."""


class LineScore(NamedTuple):
    """The pieces of a line, the end included, with their log-probabilities (natural)."""

    tokens: list[tuple[str, float]]

    @property
    def log_probability(self) -> float:
        """Log-probability of the whole line."""
        return sum(value for _, value in self.tokens)

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability of the tokens."""
        return perplexity(-self.log_probability / len(self.tokens))


def score_lines(model: LanguageModel | Translator, lines: Iterable[str]) -> Iterator[LineScore]:
    """Yield the score of each line, in order: a document for a language model, source TAB target for a translator.

    Raises RegardError, naming the line, for a pair without exactly one tab, or longer than the limit of the model.
    """
    score: Callable[[list[str]], list[Scored]]
    if isinstance(model, LanguageModel):
        tokenizer, score = model.tokenizer, model.log_probabilities
    else:
        tokenizer, score = model.target_tokenizer, _pair_scorer(model)
    numbered = iter(lines)
    while chunk := list(islice(numbered, CHUNK_LINES)):
        for scored in score(chunk):
            pieces = tokenizer.pieces([token for token, _ in scored])
            yield LineScore([(piece, value) for piece, (_, value) in zip(pieces, scored, strict=True)])


def _pair_scorer(translator: Translator) -> Callable[[list[str]], list[Scored]]:
    done = 0

    def score(lines: list[str]) -> list[Scored]:
        nonlocal done
        pairs = [line.split("\t") for line in lines]
        for number, pair in enumerate(pairs, start=done + 1):
            if len(pair) != 2:
                raise RegardError(f"stdin, line {number}: expected source TAB target, but found {len(pair) - 1} tabs")
        sources, sources_cut = translator.encode_sources([source for source, _ in pairs])
        targets, targets_cut = translator.encode_targets([target for _, target in pairs])
        for row in sorted({*sources_cut, *targets_cut}):
            limit = translator.model.max_length
            raise RegardError(
                f"stdin, line {done + row + 1}: the source or target is longer than the limit of the model "
                f"({limit} tokens); shorten it"
            )
        done += len(lines)
        values = translator.log_probabilities(sources, targets)
        return [list(zip(*row, strict=True)) for row in zip(targets, values, strict=True)]

    return score
