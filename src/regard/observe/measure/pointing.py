"""The pointing game: whether the strongest patch of a word lies on the object that the word names.

As in Zhang et al. 2016 (Top-down Neural Attention by Excitation Backprop), section 4.2, for patches instead of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from regard.data.corpora.captions.judged import Mentioned
from regard.data.tokenizer.specials import SPACE
from regard.observe.record.maps import SentenceMaps, split_name

LEAST_COVER = 1 / 16
"""A patch is on an object if the object covers at least this share of it. If no patch is, the most covered one is."""


class Pointed(NamedTuple):
    """A word that names an object: its kind, such as "colour", its pieces, and the patches that are on its object."""

    kind: str
    pieces: range
    patches: Bool[np.ndarray, " patches"]


def pointed_words(pieces: Sequence[str], grid: tuple[int, int], mentions: Sequence[Mentioned]) -> Iterator[Pointed]:
    """Yield the words of a caption that name an object. Words that were cut off are left out.

    pieces: of the caption; grid: rows and columns of the patches
    """
    ends = np.cumsum([len(piece) for piece in pieces])
    # The first piece starts with the sign for a space, which the caption does not have.
    shift = 1 if pieces and pieces[0].startswith(SPACE) else 0
    for mention in mentions:
        first = int(np.searchsorted(ends, mention.start + shift, side="right"))
        last = int(np.searchsorted(ends, mention.end + shift - 1, side="right"))
        if last < len(pieces):
            yield Pointed(mention.kind, range(first, last + 1), covered_patches(mention.mask, grid))


def covered_patches(mask: Bool[np.ndarray, "height width"], grid: tuple[int, int]) -> Bool[np.ndarray, " patches"]:
    """Return which patches are on an object, by the pixels of the object."""
    rows, columns = (np.arange(size) * count // size for size, count in zip(mask.shape, grid, strict=True))
    numbers = rows[:, None] * grid[1] + columns
    size = grid[0] * grid[1]
    cover = np.bincount(numbers[mask], minlength=size) / np.bincount(numbers.ravel(), minlength=size)
    found: Bool[np.ndarray, " patches"] = cover >= min(LEAST_COVER, float(cover.max()))
    return found


class PointingScores:
    """Counts, per map and head, how often the strongest patch of a word is on its object."""

    def __init__(self) -> None:
        self.hits: dict[str, np.ndarray] = {}
        self.words, self.chance = 0, 0.0

    def add(self, maps: SentenceMaps, mentions: Sequence[Mentioned]) -> None:
        """Add the words of a caption. The weights of a word are the mean over its pieces, as it is predicted."""
        for word in () if maps.grid is None else pointed_words(maps.target, maps.grid, mentions):
            self.words += 1
            self.chance += float(word.patches.mean())
            for name, weights in maps.maps.items():
                if split_name(name)[0] == "decoder.cross":
                    strongest = weights[:, word.pieces.start : word.pieces.stop].mean(axis=1).argmax(axis=-1)
                    self.hits[name] = self.hits.get(name, 0) + word.patches[strongest]

    def shares(self) -> Mapping[str, np.ndarray]:
        """Return the share of words for which each head points to the object, by map."""
        return {name: hits / self.words for name, hits in self.hits.items()}
