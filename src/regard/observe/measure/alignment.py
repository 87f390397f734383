"""Word alignments from cross-attention, and their error against reference alignments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from regard.data.corpora.links import Link, Links
from regard.observe.record.maps import SentenceMaps, split_name
from regard.observe.record.words import group_words, merge_words

Moment = Literal["written", "read"]
"""The row of weights that belongs to a target token: the row in which it is the output ("written"), or the next row, in
which it is the input ("read"; SHIFT-ATT of Chen et al. 2020, Accurate Word Alignment Induction from Neural Machine
Translation)."""


class Aligner(NamedTuple):
    """A source of alignments: the cross-attention of a layer, one head or the mean of all (None), at one moment."""

    layer: int
    head: int | None
    moment: Moment

    def __str__(self) -> str:
        head = "the mean of the heads" if self.head is None else f"head {self.head}"
        return f"decoder.{self.layer}.cross, {head}, when a word is {self.moment}"

    def links(self, maps: SentenceMaps) -> frozenset[Link]:
        """Link each target word to the source word with the largest weight; marks are ignored.

        Raises KeyError or IndexError for a layer or head that does not exist.
        """
        source, target = group_words(maps.source), group_words(maps.target)
        weights = maps.maps[f"decoder.{self.layer}.cross"]
        chosen = weights.mean(axis=0) if self.head is None else weights[self.head]
        rows = target if self.moment == "written" else [range(word.start + 1, word.stop + 1) for word in target]
        return strongest_links(merge_words(chosen[None], rows, source)[0]) if source and target else frozenset()


class LinkCounts(NamedTuple):
    """Counts of found and of correct links of a sentence or a corpus (Och and Ney 2003)."""

    found: int = 0
    sure: int = 0
    found_sure: int = 0
    found_possible: int = 0

    @property
    def precision(self) -> float:
        """Share of possible links in the found links; NaN if none was found."""
        return self.found_possible / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of found links in the sure links; NaN if none is sure."""
        return self.found_sure / self.sure if self.sure else float("nan")

    @property
    def error_rate(self) -> float:
        """Alignment error rate, from 0 to 1; NaN if no link was found and none is sure."""
        total = self.found + self.sure
        return 1 - (self.found_sure + self.found_possible) / total if total else float("nan")


def strongest_links(weights: Float[np.ndarray, "target_words source_words"]) -> frozenset[Link]:
    """Link each target word to the source word with the largest weight."""
    return frozenset((int(source), target) for target, source in enumerate(weights.argmax(axis=-1)))


def diagonal_links(source_words: int, target_words: int) -> frozenset[Link]:
    """Link each target word to the source word at the same relative position: a baseline without a model."""
    if not source_words:
        return frozenset()
    return frozenset((int((number + 0.5) * source_words / target_words), number) for number in range(target_words))


def count_links(pairs: Iterable[tuple[frozenset[Link], Links]]) -> LinkCounts:
    """Count found links and correct links over all sentences."""
    counts = [
        (len(found), len(gold.sure), len(found & gold.sure), len(found & (gold.possible | gold.sure)))
        for found, gold in pairs
    ]
    return LinkCounts(*map(sum, zip(*counts, strict=True))) if counts else LinkCounts()


def all_aligners(maps: SentenceMaps) -> Iterator[Aligner]:
    """Yield every head of every layer, and the mean of each layer, at both moments."""
    for name, weights in maps.maps.items():
        kind, layer = split_name(name)
        if kind == "decoder.cross":
            for moment in get_args(Moment):
                yield from (Aligner(layer, head, moment) for head in (None, *range(len(weights))))


def rank_aligners(sentences: Iterable[tuple[SentenceMaps, Links]]) -> dict[Aligner, LinkCounts]:
    """Compare every aligner with the links of each sentence; return them by increasing error rate.

    ``sentences`` may be a generator: no maps are stored. Without sentences, the result is empty.
    """
    found: dict[Aligner, LinkCounts] = {}
    for maps, links in sentences:
        for aligner in all_aligners(maps):
            counts = count_links([(aligner.links(maps), links)])
            found[aligner] = LinkCounts(*map(sum, zip(found.get(aligner, LinkCounts()), counts, strict=True)))
    return dict(sorted(found.items(), key=lambda item: item[1].error_rate))
