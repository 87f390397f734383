"""Log-probabilities of given text, by line and by token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from regard.inference.generator import TextGenerator
from regard.inference.perplexity import perplexity

CHUNK_LINES = 512


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


def score_lines(generator: TextGenerator, lines: Iterable[str]) -> Iterator[LineScore]:
    """Yield the score of each line, in order. The format of a line depends on the task, see `Generator.score`."""
    tokenizer, numbered, done = generator.target_tokenizer, iter(lines), 0
    while chunk := list(islice(numbered, CHUNK_LINES)):
        for scored in generator.score(chunk, done + 1):
            pieces = tokenizer.pieces([token for token, _ in scored])
            yield LineScore([(piece, value) for piece, (_, value) in zip(pieces, scored, strict=True)])
        done += len(chunk)
