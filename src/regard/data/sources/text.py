"""Text as a source: sentences, as token ids with ``</s>``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from regard.data.batching import pad
from regard.data.tokenizer.specials import EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer


class TextSource:
    """Sentences. An example is a list of token ids, at most ``max_length`` with ``</s>``. See `Source`."""

    grid: tuple[int, int] | None = None

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length

    def read(self, argument: str) -> str:
        """Return the text itself."""
        return argument

    def encode(self, inputs: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """See `Source`."""
        rows = [[*ids, EOS] for ids in self.tokenizer.encode_batch(list(inputs))]
        cut = [number for number, row in enumerate(rows) if len(row) > self.max_length]
        return [row if len(row) <= self.max_length else [*row[: self.max_length - 1], EOS] for row in rows], cut

    def collate(self, examples: Sequence[Sequence[int]]) -> Tensor:
        """Return right-padded token ids, Int "batch source"."""
        return pad(examples)

    def length(self, example: Sequence[int]) -> int:
        """See `Source`."""
        return len(example)

    def labels(self, row: Tensor) -> list[str]:
        """Return the pieces of the tokens."""
        return self.tokenizer.pieces([token for token in row.tolist() if token != PAD])

    def describe(self, given: str) -> str:
        """Return the text itself."""
        return given
