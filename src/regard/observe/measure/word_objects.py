"""Whether the patches that read a word are those of the object that the word names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from regard.data.corpora.captions.judged import Mentioned
from regard.observe.measure.pointing import Pointed, pointed_words

BRIGHT = 0.4
"""Share of the largest weight from which a patch belongs to the map of a word (Tang et al. 2023, What the DAAM)."""

OBJECT_MEASURES = {
    "pointing": "share of words whose strongest patch is on their object",
    "overlap": f"intersection over union of the object and the patches with {BRIGHT:.0%} of the largest weight or more",
    "own": "share of words with a larger mean weight on their object than on another one",
}
"""The measures with their descriptions. Each has a value for each kind of word, such as ``pointing_colour``."""

Weights = Float[np.ndarray, "time place patch piece"]
Values = dict[str, Float[np.ndarray, "time place"]]


class WordObjects:
    """Accumulates the OBJECT_MEASURES over images, for maps at several times and places (layers and heads).

    The map of a word has for each patch the weight that it gives to the word: the sum over the pieces of the word.

    ``pointing`` is the pointing game of `regard.observe.measure.pointing`. ``overlap`` is evaluated as in Tang et al.
    2023. ``own`` compares a word with each other object that a word of the same kind names, without the patches that
    are on both; equal weights count as one half.

    words: number of words by kind
    """

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._counts: dict[str, int] = {}
        self._chances: dict[str, float] = {}

    def add(
        self, weights: Weights, pieces: Sequence[str], grid: tuple[int, int], mentions: Sequence[Mentioned]
    ) -> None:
        """Add the words of the prompt of an image."""
        words = list(pointed_words(pieces, grid, mentions))
        for word in words:
            self.words[word.kind] = self.words.get(word.kind, 0) + 1
            column = weights[..., word.pieces.start : word.pieces.stop].sum(axis=-1)
            cover = float(word.patches.mean())
            self._count(f"pointing_{word.kind}", word.patches[column.argmax(axis=-1)], cover)
            bright = column >= BRIGHT * column.max(axis=-1, keepdims=True)
            both, either = (bright & word.patches).sum(axis=-1), (bright | word.patches).sum(axis=-1)
            self._count(f"overlap_{word.kind}", both / either, cover)
            for other in words:
                if other is not word and other.kind == word.kind:
                    self._compare(column, word, other)

    def means(self) -> Values:
        """Return the mean of each measure by kind of word, in the order of OBJECT_MEASURES."""
        return {name: self._sums[name] / self._counts[name] for name in self._ordered()}

    def chances(self) -> dict[str, float]:
        """Return the same for uniform weights; for pointing, for a patch at random."""
        return {name: self._chances[name] / self._counts[name] for name in self._ordered()}

    def _compare(self, column: Float[np.ndarray, "time place patch"], word: Pointed, other: Pointed) -> None:
        own, theirs = word.patches & ~other.patches, other.patches & ~word.patches
        if own.any() and theirs.any():
            more = column[..., own].mean(axis=-1) - column[..., theirs].mean(axis=-1)
            self._count(f"own_{word.kind}", (np.sign(more) + 1) / 2, 0.5)

    def _count(self, name: str, values: np.ndarray, chance: float) -> None:
        self._sums[name] = self._sums.get(name, 0) + values.astype(np.float64)
        self._counts[name] = self._counts.get(name, 0) + 1
        self._chances[name] = self._chances.get(name, 0.0) + chance

    def _ordered(self) -> list[str]:
        names = [f"{measure}_{kind}" for measure in OBJECT_MEASURES for kind in sorted(self.words)]
        return [name for name in names if name in self._counts]
