"""Word alignments with a run's model: the head to read them from, chosen on validation and kept in the run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from regard.data.corpus import PAIR, SPLITS, Split
from regard.data.links import Link, LinkedCorpus, Links, read_links
from regard.data.module import TextData
from regard.errors import RegardError, UsageError
from regard.files import replacing
from regard.model.translator import Translator
from regard.observe.alignment import Aligner, compare, diagonal, rank
from regard.observe.forced import batch_maps, pair_batches
from regard.observe.maps import SentenceMaps
from regard.observe.occlusion import occlusion_links
from regard.observe.words import group_words
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.build import build
from regard.training.checkpoint import read_checkpoint

CHOSEN_ON = 200
"""Pairs that aligners are judged by, at most."""
TOGETHER = 512
"""Pairs whose maps are held at a time."""

Pairs = list[tuple[str, str]]
Warn = Callable[[str], None]


class Ranking(NamedTuple):
    """Aligners with their error rates, the best first, and what they were judged by, in words."""

    judge: str
    error_rates: dict[Aligner, float]

    def best(self, layer: int | None, head: str | None) -> Aligner:
        """The best of all, or of those of a layer, or with a head (its number, or "mean").

        Raises UsageError naming those that there are.
        """
        layers = sorted({aligner.layer for aligner in self.error_rates})
        if layer is not None and layer not in layers:
            raise UsageError(f"--layer {layer}: the layers with cross-attention are {', '.join(map(str, layers))}")
        kept = [aligner for aligner in self.error_rates if layer in (None, aligner.layer)]
        heads = sorted({aligner.head for aligner in kept if aligner.head is not None})
        if head is not None and head not in ("mean", *map(str, heads)):
            raise UsageError(
                f"--head {head}: there are {', '.join(map(str, heads))}, and mean for all of them together"
            )
        return next(a for a in kept if head is None or head == ("mean" if a.head is None else str(a.head)))


class SplitPairs(NamedTuple):
    """A part of a run's corpus: its pairs, and their links if the corpus knows them."""

    pairs: Pairs
    links: list[Links] | None


def pairs_of(run: RunFolder, split: str, say: Warn) -> SplitPairs:
    """A held-out part of the run's corpus.

    Raises UsageError for another part, or a corpus without pairs.
    """
    if split not in SPLITS[1:]:
        raise UsageError(f"--split {split}: choose validation or test")
    batches: TextData = build(run.config()["batches"])
    batches.say = say  # stdout is for what is asked for
    if batches.columns != PAIR:
        raise UsageError(f"{run.path}: a language model, there is nothing to align; use a translation model")
    part: Split = "test" if split == "test" else "validation"
    pairs = [(record[0], record[1]) for record in batches.records(part)]
    links = list(batches.corpus.links(part)) if isinstance(batches.corpus, LinkedCorpus) else None
    return SplitPairs(pairs, links)


def gold_of(path: Path, pairs: Pairs) -> list[Links]:
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


def links_of(translator: Translator, aligner: Aligner, pairs: Pairs, warn: Warn) -> Iterator[frozenset[Link]]:
    """The links of each pair, in order; maps of some pairs at a time are held."""
    for first in range(0, len(pairs), TOGETHER):
        chunk = pairs[first : first + TOGETHER]
        for number, maps in enumerate(forced_maps(translator, chunk, warn, first)):
            yield aligner.links(maps)
            for text, pieces in zip(chunk[number], (maps.source, maps.target), strict=True):
                own, theirs = len(text.split()), len(group_words(pieces))
                if own < theirs:
                    warn(
                        f"pair {first + number + 1}: the vocabulary makes {theirs} words of {own}; its links are theirs"
                    )


def forced_maps(translator: Translator, pairs: Pairs, warn: Warn, first: int = 0) -> list[SentenceMaps]:
    """The maps of each pair, the first being number ``first``. ``warn`` is told of those that were cut."""
    batches, cut = pair_batches(translator, pairs)
    if cut:
        numbers, limit = ", ".join(str(first + row + 1) for row in cut[:5]), translator.model.max_length
        more = ", ..." if len(cut) > 5 else ""
        warn(f"pairs {numbers}{more}: cut to the model's {limit} tokens, the rest has no links")
    found = {row: maps for batch in batches for row, maps in batch_maps(*translator, batch)}
    return [found[row] for row in range(len(pairs))]


def judge_by_links(translator: Translator, pairs: Pairs, links: Sequence[Links], whose: str, warn: Warn) -> Ranking:
    """All aligners by their alignment error rate on pairs whose links are known; of many some, evenly spread."""
    rows = spread(len(pairs), CHOSEN_ON)
    pairs, links = [pairs[row] for row in rows], [links[row] for row in rows]
    ranked = rank(forced_maps(translator, pairs, warn), links)
    return Ranking(
        f"its error rate against {whose}, {len(pairs)} pairs", {a: found.error_rate for a, found in ranked.items()}
    )


def judge_by_occlusion(translator: Translator, pairs: Pairs, where: str, warn: Warn) -> Ranking:
    """All aligners by how often a target word's link is not to the source word without which it is least likely.

    Of many pairs some are taken, evenly spread.
    """
    pairs = [pairs[row] for row in spread(len(pairs), CHOSEN_ON)]
    links = [Links(found, found) for found in (occlusion_links(translator, *pair) for pair in pairs)]
    ranked = rank(forced_maps(translator, pairs, warn), links)
    judge = f"how often it differs from occlusion (which word's absence hurts most), {len(pairs)} {where} pairs"
    return Ranking(judge, {aligner: found.error_rate for aligner, found in ranked.items()})


def validation_ranking(run: RunFolder, translator: Translator, warn: Warn) -> Ranking:
    """The ranking on the run's validation part, by its corpus's links or else by occlusion; kept in alignment.json."""
    checkpoint = find_checkpoint(run.path)
    about = {"checkpoint": checkpoint.name, "step": read_checkpoint(checkpoint).get("global_step", 0)}
    path = run.path / "alignment.json"
    if (kept := _read(path, about)) is not None:
        return kept
    part = pairs_of(run, "validation", warn)
    rows = [row for row in spread(len(part.pairs), CHOSEN_ON) if all(text.split() for text in part.pairs[row])]
    if not rows:
        raise RegardError(f"{run.path}: no validation pair has words on both sides; give --layer and --head")
    pairs = [part.pairs[row] for row in rows]
    if part.links is None:
        ranking = judge_by_occlusion(translator, pairs, "validation", warn)
    else:
        links = [part.links[row] for row in rows]
        ranking = judge_by_links(translator, pairs, links, "the corpus's own links of its validation part", warn)
    rates = [{**aligner._asdict(), "error_rate": rate} for aligner, rate in ranking.error_rates.items()]
    try:
        with replacing(path) as beside:
            beside.write_text(json.dumps(about | {"judge": ranking.judge, "aligners": rates}, indent=1) + "\n")
    except OSError as error:
        warn(f"{path}: cannot be written ({error.strerror}), so the choice is made anew each time")
    return ranking


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spread."""
    return sorted({int(row) for row in np.linspace(0, count - 1, min(count, most))}) if count else []


def _read(path: Path, about: dict[str, Any]) -> Ranking | None:
    """What was kept there about this checkpoint; None if it was another, or the file is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if any(kept[key] != value for key, value in about.items()):
            return None
        rates = {Aligner(one["layer"], one["head"], one["moment"]): one["error_rate"] for one in kept["aligners"]}
        return Ranking(kept["judge"], rates) if rates else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def report(found: Sequence[frozenset[Link]], gold: Sequence[Links], pairs: Pairs) -> Iterator[str]:
    """How far links are from those that are right, beside the diagonal's; apart where words change their order."""
    rows = {
        f"{len(pairs):,} pairs": range(len(pairs)),
        "of them {} change the order of words": [row for row, links in enumerate(gold) if links.reordered()],
    }
    for name, chosen in rows.items():
        if not chosen:
            continue
        ours = compare((found[row], gold[row]) for row in chosen)
        straight = compare((diagonal(*(len(text.split()) for text in pairs[row])), gold[row]) for row in chosen)
        yield (
            f"{name.format(f'{len(chosen):,}')}: alignment error rate {ours.error_rate:.2%}, precision "
            f"{ours.precision:.2%}, recall {ours.recall:.2%}; the diagonal's error rate is {straight.error_rate:.2%}"
        )
