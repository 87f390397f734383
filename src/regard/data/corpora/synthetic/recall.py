"""Associative recall: return the value of a key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regard.data.corpora.synthetic.symbols import CAPITAL, SMALL
from regard.data.corpora.synthetic.synthetic import Symbols, Synthetic
from regard.errors import UsageError

SEPARATOR = ":"


class AssociativeRecall(Synthetic):
    """Pairs of a key and its value, the separator ``:``, one of the keys, and the answer: its value.

    In ``aCbAaCdB:bA`` the answer is the last ``A``. Keys are small letters, values are capitals. A key may occur
    several times, with the same value; keys may share a value (Ba et al. 2016; Fu et al. 2023, section 3.1). See
    `Synthetic` for the other arguments.

    Args:
        length: number of symbols before the separator, two for each pair. An example has three more.
        vocab_size: number of symbols. Without the separator, one half are keys and the other half values: 4 of each
            for 10, so that chance is 25 %.
    """

    def __init__(
        self,
        length: int = 20,
        vocab_size: int = 10,
        size: int | None = None,
        seed: int = 1,
        validation_size: int = 500,
        test_size: int = 1000,
    ) -> None:
        super().__init__(size, seed, validation_size, test_size)
        self.length, self.vocab_size = length, vocab_size

    @property
    def num_keys(self) -> int:
        """Number of keys, and of values."""
        return (self.vocab_size - 1) // 2

    @property
    def alphabet(self) -> str:
        """See `Synthetic`. Keys, values and the separator."""
        return SMALL[: self.num_keys] + CAPITAL[: self.num_keys] + SEPARATOR

    @property
    def text_length(self) -> int:
        """See `Synthetic`."""
        return self.length + 3

    @property
    def num_answers(self) -> int:
        """See `Synthetic`."""
        return 1

    def check(self) -> None:
        """See `Synthetic`."""
        if self.length < 2 or self.length % 2:
            raise UsageError(f"data.length={self.length}: expected an even number >= 2: keys and their values")
        if self.num_keys < 2:
            raise UsageError(
                f"data.vocab_size={self.vocab_size}: expected at least 5: two keys, two values and {SEPARATOR}"
            )

    def draw(self, random: np.random.Generator, number: int) -> Symbols:
        """See `Synthetic`. The key that is asked for is uniform over those that occur."""
        num_keys = self.num_keys
        value_of = random.integers(num_keys, 2 * num_keys, size=(number, num_keys))
        keys = random.integers(num_keys, size=(number, self.length // 2))
        chances = random.random((number, num_keys))
        occurs = np.zeros_like(chances, dtype=bool)
        np.put_along_axis(occurs, keys, True, axis=1)
        query = np.where(occurs, chances, -1.0).argmax(axis=1)[:, None]
        text = np.full((number, self.text_length), 2 * num_keys)
        text[:, 0 : self.length : 2] = keys
        text[:, 1 : self.length : 2] = np.take_along_axis(value_of, keys, axis=1)
        text[:, -2:] = np.concatenate([query, np.take_along_axis(value_of, query, axis=1)], axis=1)
        return text

    def answers(self, symbols: Symbols) -> npt.NDArray[np.bool_]:
        """See `Synthetic`. The answer is the last symbol."""
        return np.broadcast_to(np.arange(symbols.shape[1]) == self.text_length - 1, symbols.shape)
