"""Word alignments with a run's model: of pairs of its own corpus or others, beside those that are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regard.data.corpora.corpus import PAIR, SPLITS, Split
from regard.data.corpora.links import Link, LinkedCorpus, Links, read_links
from regard.errors import RegardError, UsageError
from regard.inference.translator import Translator
from regard.observe.measure.alignment import Aligner, count_links, diagonal_links
from regard.observe.record.forced import batch_maps, pair_batches
from regard.observe.record.words import group_words, spaced
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder

PAIRS_PER_CHUNK = 512
"""Pairs that are sorted by length and read at a time."""
CROSS_ATTENTION = ("decoder.cross",)
"""The maps that alignments are read from."""

Pairs = list[tuple[str, str]]
Warn = Callable[[str], None]


class SplitPairs(NamedTuple):
    """A part of a run's corpus: its pairs, and their links if the corpus knows them."""

    pairs: Pairs
    links: list[Links] | None


def read_split(run: RunFolder, split: str, say: Warn) -> SplitPairs:
    """A held-out part of the run's corpus.

    Raises UsageError for another part, or a corpus without pairs.
    """
    if split not in SPLITS[1:]:
        raise UsageError(f"--split {split}: choose validation or test")
    batches = load_corpus(run, say)
    if batches.columns != PAIR:
        raise UsageError(f"{run.path}: a language model, there is nothing to align; use a translation model")
    part: Split = "test" if split == "test" else "validation"
    pairs = [(record[0], record[1]) for record in batches.records(part)]
    links = list(batches.corpus.links(part)) if isinstance(batches.corpus, LinkedCorpus) else None
    return SplitPairs(pairs, links)


def read_gold(path: Path, pairs: Pairs) -> list[Links]:
    """The links of a file for these pairs.

    Raises RegardError naming the file and line that does not fit them.
    """
    gold = read_links(path)
    if len(gold) != len(pairs):
        raise RegardError(f"{path} has {len(gold):,} lines for {len(pairs):,} pairs; give one for each, empty or not")
    for number, (links, pair) in enumerate(zip(gold, pairs, strict=True), start=1):
        words = [len(text.split()) for text in pair]
        for link in sorted(links.possible):
            for side, place, count in zip(PAIR, link, words, strict=True):
                if place >= count:
                    raise RegardError(
                        f"{path}, line {number}: a link to {side} word {place}, but there are {count}, counted from 0"
                    )
    return gold


def align_pairs(translator: Translator, aligner: Aligner, pairs: Pairs, warn: Warn) -> Iterator[frozenset[Link]]:
    """The links of each pair, in order. ``warn`` is told of those that were cut, or whose words are other ones."""
    for first in range(0, len(pairs), PAIRS_PER_CHUNK):
        chunk = single_spaced(pairs[first : first + PAIRS_PER_CHUNK])
        batches, cut = pair_batches(translator, chunk)
        if cut:
            numbers, more = ", ".join(str(first + row + 1) for row in cut[:5]), ", ..." if len(cut) > 5 else ""
            warn(f"pairs {numbers}{more}: {cut_note(translator)}")
        links: dict[int, frozenset[Link]] = {}
        words: dict[int, list[int]] = {}
        for batch in batches:
            for row, maps in batch_maps(*translator, batch, CROSS_ATTENTION):
                links[row] = aligner.links(maps)
                words[row] = [len(group_words(pieces)) for pieces in (maps.source, maps.target)]
        for row, pair in enumerate(chunk):
            yield links[row]
            for text, theirs in zip(pair, words[row], strict=True):
                own = len(text.split())
                if theirs > own or (theirs < own and row not in cut):
                    warn(f"pair {first + row + 1}: the vocabulary makes {theirs} words of {own}; its links are theirs")


def single_spaced(pairs: Pairs) -> Pairs:
    """Pairs with one plain space between words, so that a vocabulary sees the words that are counted."""
    return [(spaced(source), spaced(target)) for source, target in pairs]


def cut_note(translator: Translator) -> str:
    """What became of pairs that are longer than the model reads."""
    return f"cut to the model's {translator.model.max_length} tokens, the rest has no links"


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spaced."""
    return sorted({int(row) for row in np.linspace(0, count - 1, min(count, most))}) if count else []


def report_errors(found: Sequence[frozenset[Link]], gold: Sequence[Links], pairs: Pairs) -> Iterator[str]:
    """How far links are from those that are right, beside the diagonal's; apart where words change their order."""
    rows = {
        f"{len(pairs):,} pairs": range(len(pairs)),
        "of them {} change the order of words": [row for row, links in enumerate(gold) if links.reordered()],
    }
    for name, chosen in rows.items():
        if not chosen:
            continue
        ours = count_links((found[row], gold[row]) for row in chosen)
        straight = count_links(
            (diagonal_links(*(len(text.split()) for text in pairs[row])), gold[row]) for row in chosen
        )
        yield (
            f"{name.format(f'{len(chosen):,}')}: alignment error rate {ours.error_rate:.2%}, precision "
            f"{ours.precision:.2%}, recall {ours.recall:.2%}; the diagonal's error rate is {straight.error_rate:.2%}"
        )
