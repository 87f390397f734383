"""Word alignments from cross-attention, and how far they are from those that people or rules give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from regard.data.corpora.links import Link, Links
from regard.observe.record.maps import SentenceMaps, split_name
from regard.observe.record.words import group_words, merge_words

Moment = Literal["written", "read"]
"""Whose row is a target token's: that in which it is written, or the next, in which it is the input (SHIFT-ATT of
Chen et al. 2020, Accurate Word Alignment Induction from Neural Machine Translation)."""


class Aligner(NamedTuple):
    """Where alignments are read from: a layer's cross-attention, one head of it or the mean of all, at one moment."""

    layer: int
    head: int | None
    moment: Moment

    def __str__(self) -> str:
        head = "the mean of its heads" if self.head is None else f"head {self.head}"
        return f"decoder.{self.layer}.cross, {head}, as a word is {self.moment}"

    def links(self, maps: SentenceMaps) -> frozenset[Link]:
        """Each target word with the source word that most of its weight is on; marks are left aside.

        Raises KeyError or IndexError for a layer or head that the maps have not.
        """
        source, target = group_words(maps.source), group_words(maps.target)
        weights = maps.maps[f"decoder.{self.layer}.cross"]
        chosen = weights.mean(axis=0) if self.head is None else weights[self.head]
        rows = target if self.moment == "written" else [range(word.start + 1, word.stop + 1) for word in target]
        return strongest_links(merge_words(chosen[None], rows, source)[0]) if source and target else frozenset()


class LinkCounts(NamedTuple):
    """Links found and links that are right, counted (Och and Ney 2003); sums are those of a corpus."""

    found: int = 0
    sure: int = 0
    found_sure: int = 0
    found_possible: int = 0

    @property
    def precision(self) -> float:
        """Of the links found, the share that is possible; NaN if none was found."""
        return self.found_possible / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Of the sure links, the share that was found; NaN if none is sure."""
        return self.found_sure / self.sure if self.sure else float("nan")

    @property
    def error_rate(self) -> float:
        """The alignment error rate, from 0 to 1; NaN where nothing was found and nothing is sure."""
        total = self.found + self.sure
        return 1 - (self.found_sure + self.found_possible) / total if total else float("nan")


def strongest_links(weights: Float[np.ndarray, "target_words source_words"]) -> frozenset[Link]:
    """Each target word with its strongest source word."""
    return frozenset((int(source), target) for target, source in enumerate(weights.argmax(axis=-1)))


def diagonal_links(source_words: int, target_words: int) -> frozenset[Link]:
    """Each target word with the source word at the same share of the sentence: what no model has to learn."""
    if not source_words:
        return frozenset()
    return frozenset((int((number + 0.5) * source_words / target_words), number) for number in range(target_words))


def count_links(pairs: Iterable[tuple[frozenset[Link], Links]]) -> LinkCounts:
    """The links found in each sentence against those that are right."""
    counts = [
        (len(found), len(gold.sure), len(found & gold.sure), len(found & (gold.possible | gold.sure)))
        for found, gold in pairs
    ]
    return LinkCounts(*map(sum, zip(*counts, strict=True))) if counts else LinkCounts()


def all_aligners(maps: SentenceMaps) -> Iterator[Aligner]:
    """All there are: every head of every layer, and the mean of each layer, at both moments."""
    for name, weights in maps.maps.items():
        kind, layer = split_name(name)
        if kind == "decoder.cross":
            for moment in get_args(Moment):
                yield from (Aligner(layer, head, moment) for head in (None, *range(len(weights))))


def rank_aligners(sentences: Iterable[tuple[SentenceMaps, Links]]) -> dict[Aligner, LinkCounts]:
    """Every aligner against the links of each sentence, the one with the lowest error rate first.

    Sentences may come one by one: no maps are held. Of none there are no aligners.
    """
    found: dict[Aligner, LinkCounts] = {}
    for maps, links in sentences:
        for aligner in all_aligners(maps):
            one = count_links([(aligner.links(maps), links)])
            found[aligner] = LinkCounts(*map(sum, zip(found.get(aligner, LinkCounts()), one, strict=True)))
    return dict(sorted(found.items(), key=lambda item: item[1].error_rate))
