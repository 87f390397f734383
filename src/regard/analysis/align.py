"""Word alignments of sentence pairs with the model of a run, and their error rate."""

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
"""Pairs that are sorted by length and processed at a time."""
CROSS_ATTENTION = ("decoder.cross",)
"""The kind of the maps from which alignments are read."""

Pairs = list[tuple[str, str]]
Warn = Callable[[str], None]


class SplitPairs(NamedTuple):
    """A part of the corpus of a run: its pairs, and their links if the corpus has them."""

    pairs: Pairs
    links: list[Links] | None


def read_split(run: RunFolder, split: str, warn: Warn) -> SplitPairs:
    """Read the validation or the test part of the corpus of the run.

    Raises UsageError for another part, and for a corpus without pairs.
    """
    if split not in SPLITS[1:]:
        raise UsageError(f"--split {split}: expected validation or test")
    batches = load_corpus(run, warn)
    if batches.columns != PAIR:
        raise UsageError(f"{run.path}: a language model has no alignments; use a translation model")
    part: Split = "test" if split == "test" else "validation"
    pairs = [(record[0], record[1]) for record in batches.records(part)]
    links = list(batches.corpus.links(part)) if isinstance(batches.corpus, LinkedCorpus) else None
    return SplitPairs(pairs, links)


def read_gold(path: Path, pairs: Pairs) -> list[Links]:
    """Read the links of ``pairs`` from a file.

    Raises RegardError with the file and the line if they do not match the pairs.
    """
    gold = read_links(path)
    if len(gold) != len(pairs):
        raise RegardError(
            f"{path} has {len(gold):,} lines for {len(pairs):,} pairs; expected one line per pair, which may be empty"
        )
    for number, (links, pair) in enumerate(zip(gold, pairs, strict=True), start=1):
        words = [len(text.split()) for text in pair]
        for link in sorted(links.possible):
            for side, place, count in zip(PAIR, link, words, strict=True):
                if place >= count:
                    raise RegardError(
                        f"{path}, line {number}: {side} word {place} does not exist; expected 0 to {count - 1}"
                    )
    return gold


def align_pairs(translator: Translator, aligner: Aligner, pairs: Pairs, warn: Warn) -> Iterator[frozenset[Link]]:
    """Yield the links of each pair, in order.

    ``warn`` is called for pairs that are cut, and for pairs whose words differ from those of the tokenizer.
    """
    for first in range(0, len(pairs), PAIRS_PER_CHUNK):
        chunk = single_spaced(pairs[first : first + PAIRS_PER_CHUNK])
        batches, cut = pair_batches(translator, chunk)
        if cut:
            numbers, more = ", ".join(str(first + row + 1) for row in cut[:5]), ", ..." if len(cut) > 5 else ""
            warn(f"pairs {numbers}{more}: {cut_note(translator)}")
        links: dict[int, frozenset[Link]] = {}
        words: dict[int, list[int]] = {}
        for batch in batches:
            for row, maps in batch_maps(translator, batch, CROSS_ATTENTION):
                links[row] = aligner.links(maps)
                words[row] = [len(group_words(pieces)) for pieces in (maps.source, maps.target)]
        for row, pair in enumerate(chunk):
            yield links[row]
            for text, found in zip(pair, words[row], strict=True):
                expected = len(text.split())
                if found > expected or (found < expected and row not in cut):
                    warn(
                        f"pair {first + row + 1}: the tokenizer finds {found} words instead of {expected}; "
                        "links refer to its words"
                    )


def single_spaced(pairs: Pairs) -> Pairs:
    """Separate words by one space, so that the tokenizer finds the same words as ``str.split``."""
    return [(spaced(source), spaced(target)) for source, target in pairs]


def cut_note(translator: Translator) -> str:
    """Describe what happens to pairs that exceed the maximum length of the model."""
    return f"cut to {translator.model.max_length} tokens (model.max_length); words after that have no links"


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most ``most`` evenly spaced integers from 0 to ``count`` - 1."""
    return sorted({int(row) for row in np.linspace(0, count - 1, min(count, most))}) if count else []


def report_errors(found: Sequence[frozenset[Link]], gold: Sequence[Links], pairs: Pairs) -> Iterator[str]:
    """Yield a line with the error rate of the links and of the diagonal: for all pairs, and for reordered pairs."""
    rows = {
        f"{len(pairs):,} pairs": range(len(pairs)),
        "{} of them reorder words": [row for row, links in enumerate(gold) if links.reordered()],
    }
    for name, chosen in rows.items():
        if not chosen:
            continue
        counts = count_links((found[row], gold[row]) for row in chosen)
        baseline = count_links(
            (diagonal_links(*(len(text.split()) for text in pairs[row])), gold[row]) for row in chosen
        )
        yield (
            f"{name.format(f'{len(chosen):,}')}: alignment error rate {counts.error_rate:.2%}, precision "
            f"{counts.precision:.2%}, recall {counts.recall:.2%}; error rate of the diagonal {baseline.error_rate:.2%}"
        )
