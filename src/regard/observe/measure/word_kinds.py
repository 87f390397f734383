"""The kinds of words that patches read, the "attention synopsis" of a head (arXiv 2601.06338)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from regard.observe.record.words import MARKS, group_words

END, OTHER = "end", "other"


class ReadKinds:
    """Accumulates, over images, the share of the attention of a patch that goes to words of each kind.

    kinds: the kind of each word, in display order; other words are of the kind "other", and ``</s>`` is "end"
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds
        self._sums: dict[str, np.ndarray] = {}
        self._shares: dict[str, float] = {}
        self._images = 0

    def add(self, weights: Float[np.ndarray, "time place patch piece"], pieces: Sequence[str]) -> None:
        """Add the prompt of an image."""
        self._images += 1
        means = weights.mean(axis=2)
        for piece, kind in enumerate(piece_kinds(pieces, self.kinds)):
            self._sums[kind] = self._sums.get(kind, 0) + means[..., piece].astype(np.float64)
            self._shares[kind] = self._shares.get(kind, 0.0) + 1 / len(pieces)

    def means(self) -> dict[str, Float[np.ndarray, "time place"]]:
        """Return the mean over all patches of all images, such as ``reads_colour``; the kinds add up to 1."""
        return {f"reads_{kind}": self._sums[kind] / self._images for kind in self._ordered()}

    def uniform(self) -> dict[str, float]:
        """Return the same for uniform weights."""
        return {f"reads_{kind}": self._shares[kind] / self._images for kind in self._ordered()}

    def _ordered(self) -> list[str]:
        return [kind for kind in (*dict.fromkeys(self.kinds.values()), OTHER, END) if kind in self._sums]


def piece_kinds(pieces: Sequence[str], kinds: Mapping[str, str]) -> list[str]:
    """Return the kind of the word of each piece; "end" for a mark, such as ``</s>``."""
    found = [END if piece in MARKS else OTHER for piece in pieces]
    for word in group_words(pieces):
        text = "".join(pieces[word.start : word.stop]).replace("▁", " ").strip()
        for place in word:
            found[place] = kinds.get(text, OTHER)
    return found
