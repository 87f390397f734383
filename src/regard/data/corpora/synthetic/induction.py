"""The induction head task: repeat the symbol that followed the special symbol."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regard.data.corpora.synthetic.symbols import SMALL
from regard.data.corpora.synthetic.synthetic import Symbols, Synthetic
from regard.errors import UsageError

SPECIAL = "*"


class InductionHead(Synthetic):
    """Random letters with the special symbol ``*`` at one place, then ``*`` again, and the answer.

    In ``bfa*cdeb*c`` the answer is the last ``c``, which followed the first ``*`` (Olsson et al. 2022; Fu et al. 2023,
    section 3.1). See `Synthetic` for the other arguments.

    Args:
        length: number of symbols before the question. An example has two more: ``*`` and the answer.
        vocab_size: number of symbols, the special one included. Chance is 1 / (vocab_size - 1).
    """

    def __init__(
        self,
        length: int = 30,
        vocab_size: int = 20,
        size: int | None = None,
        seed: int = 1,
        validation_size: int = 500,
        test_size: int = 1000,
    ) -> None:
        super().__init__(size, seed, validation_size, test_size)
        self.length, self.vocab_size = length, vocab_size

    @property
    def alphabet(self) -> str:
        """See `Synthetic`. The special symbol is the last one."""
        return SMALL[: self.vocab_size - 1] + SPECIAL

    @property
    def text_length(self) -> int:
        """See `Synthetic`."""
        return self.length + 2

    @property
    def num_answers(self) -> int:
        """See `Synthetic`."""
        return 1

    def check(self) -> None:
        """See `Synthetic`."""
        if self.length < 3:
            raise UsageError(f"data.length={self.length}: expected an integer >= 3")

    def draw(self, random: np.random.Generator, number: int) -> Symbols:
        """See `Synthetic`. The special symbol is never the last one before the question, as in the reference."""
        special = self.vocab_size - 1
        text = random.integers(special, size=(number, self.length + 2))
        rows, place = np.arange(number), random.integers(self.length - 2, size=number)
        text[rows, place] = text[:, -2] = special
        text[:, -1] = text[rows, place + 1]
        return text

    def answers(self, symbols: Symbols) -> npt.NDArray[np.bool_]:
        """See `Synthetic`. The answer is the last symbol."""
        return np.broadcast_to(np.arange(symbols.shape[1]) == self.text_length - 1, symbols.shape)
