"""Base class of the corpora of generated sequences in which some symbols are answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import SPLITS, TEXT, Split
from regard.errors import UsageError

Symbols = npt.NDArray[np.int64]
"""Positions in the alphabet, Int64 "examples length"."""

# Part of the fingerprint: raise it when the same arguments result in other examples.
GENERATOR = 1
CHUNK = 1024
"""Number of examples that are drawn together, with one seed."""
# After this number of consecutive examples that are already in use, no other example is expected.
MOST_REFUSALS = 20 * CHUNK


class Synthetic(ABC):
    """Sequences of symbols, all of the same length, each with the same number of answers.

    A symbol is one character. An answer follows from the symbols before it; all other symbols are random. A subclass
    says how examples are drawn, and which symbols are answers.

    Seeded, and the same in every process. No example of the validation and test parts is in another part. The training
    part has ``size`` different examples, or is endless: then example n is a function of (seed, n), and examples of the
    other parts are never drawn. The parts do not depend on ``size``: a smaller training part is the beginning of a
    larger one. Memory: about 200 bytes per example, or per example of validation and test if training is endless.

    Args:
        size: number of training examples, or None for endless training.
        seed: random seed of the examples.
        validation_size, test_size: number of examples of these parts, in addition to ``size``.
    """

    columns = TEXT

    def __init__(self, size: int | None, seed: int, validation_size: int, test_size: int) -> None:
        self.size, self.seed = size, seed
        self.validation_size, self.test_size = validation_size, test_size

    @property
    @abstractmethod
    def alphabet(self) -> str:
        """All symbols. No character occurs twice."""

    @property
    @abstractmethod
    def text_length(self) -> int:
        """Number of symbols of each example."""

    @property
    @abstractmethod
    def num_answers(self) -> int:
        """Number of answers in each example."""

    @abstractmethod
    def check(self) -> None:
        """Check that the arguments fit together.

        Raises:
            UsageError: names the key.
        """

    @abstractmethod
    def draw(self, random: np.random.Generator, number: int) -> Symbols:
        """Draw ``number`` examples, Int64 "number length"."""

    @abstractmethod
    def answers(self, symbols: Symbols) -> npt.NDArray[np.bool_]:
        """Return which symbols are answers, Bool "examples length"."""

    def questions(self, symbols: Symbols) -> Symbols:
        """Return what a model reads of examples. Here, everything: the only answer is the last symbol."""
        return symbols

    def fingerprint(self) -> dict[str, object]:
        """Return everything that the text depends on."""
        arguments = {name: value for name, value in vars(self).items() if isinstance(value, int | float | None)}
        return {"corpus": type(self).__name__, "generator": GENERATOR, **arguments}

    def records(self, split: Split) -> Iterator[tuple[str]]:
        """Stream one part. Of an endless training part, only the first examples, which identify it.

        Raises:
            UsageError: as `check`; or there are too few different examples.
        """
        self.check()
        if split != "train":
            yield from map(self._text, self._held_out[split])
        elif self.size is None:
            yield from map(self._text, self.chunk(0))
        else:
            yield from map(self._text, self._distinct("train", self.size, set(self._held_out_keys)))

    def chunk(self, number: int) -> Symbols:
        """Return the examples from ``number * CHUNK`` to ``(number + 1) * CHUNK - 1`` of endless training.

        Raises:
            UsageError: all examples are in the validation and test parts.
        """
        random, found, missing = self._random("train", number), [], CHUNK
        for _ in range(MOST_REFUSALS // CHUNK):
            drawn = self.draw(random, CHUNK)
            new = drawn[[row.tobytes() not in self._held_out_keys for row in drawn]][:missing]
            found.append(new)
            missing -= len(new)
            if not missing:
                return np.concatenate(found)
        raise UsageError(
            "data.size=null: nearly all examples are in the validation and test parts; lower data.validation_size and "
            "data.test_size, or raise data.length or data.vocab_size"
        )

    @cached_property
    def _held_out(self) -> dict[Split, list[Symbols]]:
        # The test part comes first, so that it does not depend on the size of the validation part.
        seen: set[bytes] = set()
        test = list(self._distinct("test", self.test_size, seen))
        return {"test": test, "validation": list(self._distinct("validation", self.validation_size, seen))}

    @cached_property
    def _held_out_keys(self) -> frozenset[bytes]:
        return frozenset(row.tobytes() for rows in self._held_out.values() for row in rows)

    def _distinct(self, part: Split, size: int, seen: set[bytes]) -> Iterator[Symbols]:
        """Yield the first ``size`` examples of a part that are not in ``seen``, and add them to it."""
        chunks = (self.draw(self._random(part, number), CHUNK) for number in count())
        given = refused = 0
        for row in (row for chunk in chunks for row in chunk):
            if given == size:
                return
            if (key := row.tobytes()) in seen:
                refused += 1
                if refused == MOST_REFUSALS:
                    key_of_size = "size" if part == "train" else f"{part}_size"
                    raise UsageError(
                        f"data.{key_of_size}={size}: only {given} more different examples were found; lower it, or "
                        "raise data.length or data.vocab_size"
                    )
                continue
            given, refused = given + 1, 0
            seen.add(key)
            yield row

    def _random(self, part: Split, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, SPLITS.index(part), number])

    def _text(self, row: Symbols) -> tuple[str]:
        alphabet = self.alphabet
        return ("".join(alphabet[symbol] for symbol in row.tolist()),)
