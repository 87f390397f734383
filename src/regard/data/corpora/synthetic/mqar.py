"""Multi-query associative recall: return the value of every key where it comes again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regard.data.corpora.synthetic.symbols import CAPITAL, SMALL
from regard.data.corpora.synthetic.synthetic import Symbols, Synthetic
from regard.errors import UsageError

FILLER = "."


class MultiQueryRecall(Synthetic):
    """Pairs of a key and its value; then each key once more, followed by the answer: its value (Arora et al. 2023).

    In ``aBcD....cD..aB`` the answers are the second ``D`` and ``B``. Keys are small letters, values are capitals, and
    all of an example are different. The rest is filler (``.``). A model reads filler in the place of the answers, as in
    the paper: of ``aBcD....c...a.`` it predicts them. If it read them, the last answer would be the value that is left.
    See `Synthetic` for the other arguments.

    Args:
        length: number of symbols, the answers included.
        num_pairs: number of pairs, and of answers.
        vocab_size: number of symbols: one half are values, the other half are keys and the filler.
        power: the distance of a query from the pairs, in steps of two symbols, has a probability proportional to
            distance ** (power - 1), among the places that are free. 1 for the same probability of all places.
    """

    def __init__(
        self,
        length: int = 64,
        num_pairs: int = 4,
        vocab_size: int = 128,
        power: float = 0.01,
        size: int | None = None,
        seed: int = 1,
        validation_size: int = 500,
        test_size: int = 1000,
    ) -> None:
        super().__init__(size, seed, validation_size, test_size)
        self.length, self.num_pairs, self.vocab_size, self.power = length, num_pairs, vocab_size, power

    @property
    def num_values(self) -> int:
        """Number of values."""
        return self.vocab_size // 2

    @property
    def num_keys(self) -> int:
        """Number of keys."""
        return self.vocab_size - self.num_values - 1

    @property
    def alphabet(self) -> str:
        """See `Synthetic`. Keys, values and the filler."""
        return SMALL[: self.num_keys] + CAPITAL[: self.num_values] + FILLER

    @property
    def text_length(self) -> int:
        """See `Synthetic`."""
        return self.length

    @property
    def num_answers(self) -> int:
        """See `Synthetic`."""
        return self.num_pairs

    def check(self) -> None:
        """See `Synthetic`."""
        if self.length < 4 * self.num_pairs or self.length % 2:
            raise UsageError(
                f"data.length={self.length}: expected an even number >= {4 * self.num_pairs}: four symbols for each of "
                f"the data.num_pairs={self.num_pairs} pairs, two of them for its query and answer"
            )
        if self.num_pairs > self.num_keys:
            raise UsageError(
                f"data.vocab_size={self.vocab_size}: has {self.num_keys} keys, fewer than "
                f"data.num_pairs={self.num_pairs}; give at least {2 * self.num_pairs + 1}"
            )

    def draw(self, random: np.random.Generator, number: int) -> Symbols:
        """See `Synthetic`."""
        keys = _choose(random.random((number, self.num_keys)), self.num_pairs)
        values = self.num_keys + _choose(random.random((number, self.num_values)), self.num_pairs)
        # The largest log-probabilities plus Gumbel noise are draws without replacement (Kool et al. 2019).
        distances = np.arange(1, self.length // 2 - self.num_pairs + 1)
        noise = random.gumbel(size=(number, len(distances)))
        places = 2 * (self.num_pairs + _choose((self.power - 1) * np.log(distances) + noise, self.num_pairs))
        text = np.full((number, self.length), self.vocab_size - 1)
        text[:, 0 : 2 * self.num_pairs : 2] = keys
        text[:, 1 : 2 * self.num_pairs : 2] = values
        np.put_along_axis(text, places, keys, axis=1)
        np.put_along_axis(text, places + 1, values, axis=1)
        return text

    def answers(self, symbols: Symbols) -> npt.NDArray[np.bool_]:
        """See `Synthetic`. The answers are all values after the pairs."""
        places = np.arange(symbols.shape[1])
        is_value = (symbols >= self.num_keys) & (symbols < self.num_keys + self.num_values)
        return is_value & (places >= 2 * self.num_pairs)

    def questions(self, symbols: Symbols) -> Symbols:
        """See `Synthetic`. Filler replaces the answers."""
        return np.where(self.answers(symbols), self.vocab_size - 1, symbols)


def _choose(scores: npt.NDArray[np.float64], number: int) -> Symbols:
    """Return the columns of the ``number`` highest scores of each row, highest first, Int64 "rows number"."""
    highest = np.argpartition(-scores, number - 1, axis=1)[:, :number]
    order = np.argsort(-np.take_along_axis(scores, highest, axis=1), axis=1)
    return np.take_along_axis(highest, order, axis=1)
