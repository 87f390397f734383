"""The head that alignments are read from: judged on validation and kept in the run folder, or chosen by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from regard.analysis.align import CROSS_ATTENTION, Pairs, Warn, cut_note, evenly_spaced, read_split, single_spaced
from regard.data.corpora.links import Links
from regard.errors import UsageError
from regard.files import replacing
from regard.inference.translator import Translator
from regard.observe.measure.alignment import Aligner, all_aligners, rank_aligners
from regard.observe.measure.occlusion import occlusion_links
from regard.observe.record.forced import batch_maps, pair_batches
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import read_checkpoint

FILE_NAME = "alignment.json"
MAX_PAIRS = 200
"""Pairs that aligners are judged by, at most."""

NO_WORDS = "no pair has words on both sides, so heads cannot be judged; give such pairs, or --layer and --head"


class ChosenAligner(NamedTuple):
    """An aligner, and why it is this one, in words."""

    aligner: Aligner
    reason: str


class Ranking(NamedTuple):
    """Aligners with their error rates, the best first, and what they were judged by, in words."""

    judge: str
    error_rates: dict[Aligner, float]

    def best(self, layer: int | None, head: str | None) -> ChosenAligner:
        """The best of all, or of those of a layer, or with a head (its number, or "mean").

        Raises UsageError naming those that there are.
        """
        aligner = first_matching(self.error_rates, layer, head)
        return ChosenAligner(aligner, f"judged by {self.judge}: {self.error_rates[aligner]:.2%}")


def choose_aligner(
    run: RunFolder | None, translator: Translator, pairs: Pairs, layer: int | None, head: str | None, warn: Warn
) -> ChosenAligner:
    """The best aligner on the run's validation part, or of a checkpoint alone (no run) on ``pairs``.

    Where layer and head are both given and no ranking is kept, nothing is judged: it is theirs, as words are written.
    Raises UsageError for a layer or head that there is not.
    """
    if layer is not None and head is not None and (run is None or stored_ranking(run) is None):
        return ChosenAligner(aligner_of_head(translator, layer, head), "as you chose")
    if run is None:
        return rank_by_occlusion(translator, pairs, "of the given", warn).best(layer, head)
    return validation_ranking(run, translator, warn).best(layer, head)


def first_matching(choices: Iterable[Aligner], layer: int | None, head: str | None) -> Aligner:
    """The first of all, or of those of a layer, or with a head (its number, or "mean").

    Raises UsageError naming those that there are.
    """
    choices = list(choices)
    if not choices:
        raise UsageError("the model has no cross-attention to read alignments from; its mixer is another")
    layers = sorted({aligner.layer for aligner in choices})
    if layer is not None and layer not in layers:
        raise UsageError(f"--layer {layer}: the layers with cross-attention are {', '.join(map(str, layers))}")
    kept = [aligner for aligner in choices if layer in (None, aligner.layer)]
    heads = sorted({aligner.head for aligner in kept if aligner.head is not None})
    if head is not None and head not in ("mean", *map(str, heads)):
        raise UsageError(f"--head {head}: there are {', '.join(map(str, heads))}, and mean for all of them together")
    return next(a for a in kept if head is None or head == ("mean" if a.head is None else str(a.head)))


def aligner_of_head(translator: Translator, layer: int, head: str) -> Aligner:
    """This layer's and head's aligner, read as words are written: nothing is judged.

    Raises UsageError naming the layers and heads that the model has, which an empty pair shows.
    """
    (batch,), _ = pair_batches(translator, [("", "")])
    ((_, maps),) = batch_maps(*translator, batch, CROSS_ATTENTION)
    return first_matching(all_aligners(maps), layer, head)


def rank_by_links(translator: Translator, pairs: Pairs, links: Sequence[Links], whose: str, warn: Warn) -> Ranking:
    """All aligners by their alignment error rate on pairs whose links are known; of many some, evenly spaced.

    Raises UsageError if no pair has words on both sides.
    """
    rows = select_rows(pairs)
    pairs, links = single_spaced([pairs[row] for row in rows]), [links[row] for row in rows]
    return _judge(translator, pairs, links, f"its error rate against {whose}, {len(pairs)} pairs", warn)


def rank_by_occlusion(translator: Translator, pairs: Pairs, where: str, warn: Warn) -> Ranking:
    """All aligners by how often a target word's link is not to the source word without which it is least likely.

    Of many pairs some are taken, evenly spaced. Raises UsageError if none has words on both sides.
    """
    pairs = single_spaced([pairs[row] for row in select_rows(pairs)])
    links = [Links(found, found) for found in (occlusion_links(translator, *pair) for pair in pairs)]
    judge = f"how often it differs from occlusion (which word's absence hurts most), {len(pairs)} {where} pairs"
    return _judge(translator, pairs, links, judge, warn)


def select_rows(pairs: Pairs) -> list[int]:
    """The numbers of the pairs that aligners are judged by: such as have words on both sides, evenly spaced.

    Raises UsageError if there are none.
    """
    rows = [row for row, pair in enumerate(pairs) if all(text.split() for text in pair)]
    if not rows:
        raise UsageError(NO_WORDS)
    return [rows[place] for place in evenly_spaced(len(rows), MAX_PAIRS)]


def _judge(translator: Translator, pairs: Pairs, links: Sequence[Links], judge: str, warn: Warn) -> Ranking:
    batches, cut = pair_batches(translator, pairs)
    if cut:
        warn(f"{len(cut)} of the {len(pairs)} pairs that heads are judged by: {cut_note(translator)}")
    found = (row for batch in batches for row in batch_maps(*translator, batch, CROSS_ATTENTION))
    ranked = rank_aligners((maps, links[row]) for row, maps in found)
    rates = {aligner: counts.error_rate for aligner, counts in ranked.items()}
    if rates and all(math.isnan(rate) for rate in rates.values()):  # white space for the vocabulary, or cut off
        raise UsageError(NO_WORDS)
    return Ranking(judge, rates)


def stored_ranking(run: RunFolder) -> Ranking | None:
    """What alignment.json has about the run's checkpoint; None if that is of another, or damaged, or not there."""
    return _read(run.path / FILE_NAME, _about(run))


def validation_ranking(run: RunFolder, translator: Translator, warn: Warn) -> Ranking:
    """The ranking on the run's validation part, by its corpus's links or else by occlusion; kept in alignment.json.

    Raises UsageError if no pair there has words on both sides.
    """
    path, about = run.path / FILE_NAME, _about(run)  # of the checkpoint that is there now: a run may write another
    if (kept := _read(path, about)) is not None:
        return kept
    part = read_split(run, "validation", warn)
    if part.links is None:
        ranking = rank_by_occlusion(translator, part.pairs, "validation", warn)
    else:
        whose = "the corpus's own links of its validation part"
        ranking = rank_by_links(translator, part.pairs, part.links, whose, warn)
    rates = [{**aligner._asdict(), "error_rate": rate} for aligner, rate in ranking.error_rates.items()]
    try:
        with replacing(path) as beside:
            beside.write_text(json.dumps(about | {"judge": ranking.judge, "aligners": rates}, indent=1) + "\n")
    except OSError as error:
        warn(f"{path}: cannot be written ({error.strerror}), so the choice is made anew each time")
    return ranking


def _about(run: RunFolder) -> dict[str, Any]:
    checkpoint = find_checkpoint(run.path)
    return {"checkpoint": checkpoint.name, "step": read_checkpoint(checkpoint).get("global_step", 0)}


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
