"""Choose the head from which alignments are read: by a ranking on the validation part, or by the user."""

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
"""Maximum number of pairs on which aligners are ranked."""

NO_WORDS = "heads cannot be ranked: no pair has words on both sides; give such pairs, or --layer and --head"


class ChosenAligner(NamedTuple):
    """An aligner, and the reason for its choice."""

    aligner: Aligner
    reason: str


class Ranking(NamedTuple):
    """Aligners with their error rates, best first, and a description of the criterion."""

    criterion: str
    error_rates: dict[Aligner, float]

    def best(self, layer: int | None, head: str | None) -> ChosenAligner:
        """Return the best aligner with this layer and head (a number or "mean"); None matches all.

        Raises UsageError with the existing layers or heads.
        """
        aligner = first_matching(self.error_rates, layer, head)
        return ChosenAligner(aligner, f"ranked by {self.criterion}: {self.error_rates[aligner]:.2%}")


def choose_aligner(
    run: RunFolder | None, translator: Translator, pairs: Pairs, layer: int | None, head: str | None, warn: Warn
) -> ChosenAligner:
    """Choose the best aligner on the validation part of the run or, for a checkpoint without a run, on ``pairs``.

    If both layer and head are given and there is no stored ranking, aligners are not ranked, and the moment is
    "written". Raises UsageError for an unknown layer or head.
    """
    if layer is not None and head is not None and (run is None or stored_ranking(run) is None):
        return ChosenAligner(aligner_of_head(translator, layer, head), "chosen with --layer and --head")
    if run is None:
        return rank_by_occlusion(translator, pairs, "given", warn).best(layer, head)
    return validation_ranking(run, translator, warn).best(layer, head)


def first_matching(choices: Iterable[Aligner], layer: int | None, head: str | None) -> Aligner:
    """Return the first aligner with this layer and head (a number or "mean"); None matches all.

    Raises UsageError with the existing layers or heads.
    """
    choices = list(choices)
    if not choices:
        raise UsageError("the model has no cross-attention, from which alignments are read")
    layers = sorted({aligner.layer for aligner in choices})
    if layer is not None and layer not in layers:
        raise UsageError(f"--layer {layer}: expected a layer with cross-attention: {', '.join(map(str, layers))}")
    kept = [aligner for aligner in choices if layer in (None, aligner.layer)]
    heads = sorted({aligner.head for aligner in kept if aligner.head is not None})
    if head is not None and head not in ("mean", *map(str, heads)):
        raise UsageError(f"--head {head}: expected {', '.join(map(str, heads))} or mean")
    return next(a for a in kept if head is None or head == ("mean" if a.head is None else str(a.head)))


def aligner_of_head(translator: Translator, layer: int, head: str) -> Aligner:
    """Return the aligner of this layer and head at the moment "written", without ranking.

    The maps of an empty pair show which layers and heads exist. Raises UsageError with their numbers.
    """
    (batch,), _ = pair_batches(translator, [("", "")])
    ((_, maps),) = batch_maps(translator, batch, CROSS_ATTENTION)
    return first_matching(all_aligners(maps), layer, head)


def rank_by_links(translator: Translator, pairs: Pairs, links: Sequence[Links], name: str, warn: Warn) -> Ranking:
    """Rank all aligners by their alignment error rate on pairs with known links, at most MAX_PAIRS, evenly spaced.

    Raises UsageError if no pair has words on both sides.
    """
    rows = select_rows(pairs)
    pairs, links = single_spaced([pairs[row] for row in rows]), [links[row] for row in rows]
    return _rank(translator, pairs, links, f"error rate against {name}, {len(pairs)} pairs", warn)


def rank_by_occlusion(translator: Translator, pairs: Pairs, where: str, warn: Warn) -> Ranking:
    """Rank all aligners by their error rate against links by occlusion, on at most MAX_PAIRS evenly spaced pairs.

    Raises UsageError if no pair has words on both sides.
    """
    pairs = single_spaced([pairs[row] for row in select_rows(pairs)])
    links = [Links(found, found) for found in (occlusion_links(translator, *pair) for pair in pairs)]
    criterion = f"error rate against occlusion (removal of source words), {len(pairs)} {where} pairs"
    return _rank(translator, pairs, links, criterion, warn)


def select_rows(pairs: Pairs) -> list[int]:
    """Return the indices of the pairs on which aligners are ranked: evenly spaced pairs with words on both sides.

    Raises UsageError if there are none.
    """
    rows = [row for row, pair in enumerate(pairs) if all(text.split() for text in pair)]
    if not rows:
        raise UsageError(NO_WORDS)
    return [rows[place] for place in evenly_spaced(len(rows), MAX_PAIRS)]


def _rank(translator: Translator, pairs: Pairs, links: Sequence[Links], criterion: str, warn: Warn) -> Ranking:
    batches, cut = pair_batches(translator, pairs)
    if cut:
        warn(f"{len(cut)} of the {len(pairs)} pairs on which heads are ranked: {cut_note(translator)}")
    found = (row for batch in batches for row in batch_maps(translator, batch, CROSS_ATTENTION))
    ranked = rank_aligners((maps, links[row]) for row, maps in found)
    rates = {aligner: counts.error_rate for aligner, counts in ranked.items()}
    if rates and all(
        math.isnan(rate) for rate in rates.values()
    ):  # all words were cut off, or are white space for the tokenizer
        raise UsageError(NO_WORDS)
    return Ranking(criterion, rates)


def stored_ranking(run: RunFolder) -> Ranking | None:
    """Return the ranking in alignment.json, or None if it is missing, damaged or of another checkpoint."""
    return _read(run.path / FILE_NAME, _checkpoint_info(run))


def validation_ranking(run: RunFolder, translator: Translator, warn: Warn) -> Ranking:
    """Return the ranking on the validation part of the run; it is stored in alignment.json.

    The reference is the links of the corpus, or occlusion if it has none. Raises UsageError if no pair has words on
    both sides.
    """
    # The checkpoint is identified before the ranking: a running run may replace it meanwhile.
    path, checkpoint = run.path / FILE_NAME, _checkpoint_info(run)
    if (stored := _read(path, checkpoint)) is not None:
        return stored
    part = read_split(run, "validation", warn)
    if part.links is None:
        ranking = rank_by_occlusion(translator, part.pairs, "validation", warn)
    else:
        ranking = rank_by_links(translator, part.pairs, part.links, "the links of the validation part", warn)
    rates = [{**aligner._asdict(), "error_rate": rate} for aligner, rate in ranking.error_rates.items()]
    try:
        with replacing(path) as beside:
            beside.write_text(json.dumps(checkpoint | {"judge": ranking.criterion, "aligners": rates}, indent=1) + "\n")
    except OSError as error:
        warn(f"{path}: cannot be written ({error.strerror}); heads are ranked again each time")
    return ranking


def _checkpoint_info(run: RunFolder) -> dict[str, Any]:
    checkpoint = find_checkpoint(run.path)
    return {"checkpoint": checkpoint.name, "step": read_checkpoint(checkpoint).get("global_step", 0)}


def _read(path: Path, checkpoint: dict[str, Any]) -> Ranking | None:
    """Read the ranking for ``checkpoint``; None if it is of another checkpoint or the file is damaged."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if any(stored[key] != value for key, value in checkpoint.items()):
            return None
        rates = {Aligner(one["layer"], one["head"], one["moment"]): one["error_rate"] for one in stored["aligners"]}
        return Ranking(stored["judge"], rates) if rates else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
