"""Measures of all heads of a model over a sample of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from regard.data.batching import Batch
from regard.data.corpora.captions.judged import Mentioned
from regard.data.corpora.links import Links
from regard.inference.generator import TextGenerator
from regard.observe.measure.ablation import head_importance, mean_loss
from regard.observe.measure.alignment import Aligner, Moment, count_links
from regard.observe.measure.heads import MEASURES, MeasureMeans, rare_pieces, row_measures, uniform_weights
from regard.observe.measure.pointing import PointingScores
from regard.observe.record.forced import batch_maps
from regard.observe.record.maps import SentenceMaps, split_name

ALL_MEASURES = MEASURES | {
    "agreement": "share of target words whose strongest source word is correct",
    "pointing": "share of words whose strongest patch is on the object that they name",
    "importance": "increase of the loss without this head, in nats per token",
}
"""All measures in display order, with their descriptions."""

MeasuresByMap = dict[str, dict[str, Float[np.ndarray, "heads"]]]
"""By map and measure; measures that are undefined for a map are missing."""


class HeadMeasures(NamedTuple):
    """The measures of every head and, as a baseline, of a head with uniform weights.

    The agreement of a head is the larger one of the two moments (`alignment.Moment`).

    heads: by map and measure
    uniform: the same for a head with uniform weights
    loss: loss of the whole model on the sample, in nats per token
    rare: number of rare pieces of the source and of the target
    """

    heads: MeasuresByMap
    uniform: MeasuresByMap
    loss: float
    rare: tuple[int, int]

    def rows(self) -> Iterator[dict[str, str | int | float]]:
        """Yield each head as a dict: its map, its number or "uniform", and its measures."""
        for name, own in self.heads.items():
            for head in range(len(own["entropy"])):
                yield {"map": name, "head": head, **{measure: float(values[head]) for measure, values in own.items()}}
            yield {"map": name, "head": "uniform", **{m: float(v[0]) for m, v in self.uniform[name].items()}}


def measure_heads(
    generator: TextGenerator,
    batches: Sequence[Batch],
    reference: Mapping[int, Links],
    mentions: Mapping[int, Sequence[Mentioned]] | None = None,
) -> HeadMeasures:
    """Measure every head on ``batches``.

    By row (``Batch.rows``), ``reference`` has the correct links, and ``mentions`` the words that name an object in an
    image.
    """
    pointing = PointingScores()
    source, pieces = generator.source, generator.target_tokenizer.pieces
    sources = (batch.source for batch in batches if batch.source is not None)
    labels = (source.labels(row) for rows in sources for row in rows) if source and source.tokenizer else ()
    rare_sources = rare_pieces(labels)
    rare_targets = rare_pieces(pieces(row) for batch in batches for row in batch.prefix.tolist())
    measured: dict[str, MeasureMeans] = {}
    uniform: dict[str, MeasureMeans] = {}
    agreements: dict[Aligner, list[tuple[int, int]]] = {}
    for batch in batches:
        for place, (row, maps) in enumerate(batch_maps(generator, batch)):
            packed = None if batch.documents is None else batch.documents[place, : len(maps.prefix)].numpy()
            for name, weights in maps.maps.items():
                kind, _ = split_name(name)
                queries, keys = maps.tokens(name)
                rare, documents = (rare_targets, packed) if kind == "decoder.self" else (rare_sources, None)
                grid = maps.key_grid(name)
                measured.setdefault(name, MeasureMeans()).add(row_measures(weights, kind, keys, rare, documents, grid))
                flat = uniform_weights(kind, len(queries), len(keys), documents)
                uniform.setdefault(name, MeasureMeans()).add(row_measures(flat, kind, keys, rare, documents, grid))
            pointing.add(maps, (mentions or {}).get(row, ()))
            for aligner, counts in _agreements(maps, reference.get(row)):
                agreements.setdefault(aligner, []).append(counts)
    heads = {name: means.means() for name, means in measured.items()}
    for name, shares in _shares(agreements).items():
        heads[name]["agreement"] = shares
    even = {name: means.means() for name, means in uniform.items()}
    for name, shares in pointing.shares().items():
        heads[name]["pointing"] = shares
        even[name]["pointing"] = np.array([pointing.chance / pointing.words])
    loss, changes = head_importance(generator.model, lambda: mean_loss(generator.model, batches))
    for name, change in changes.items():
        if name in heads:
            heads[name]["importance"] = change
    rare_counts = len(rare_sources), len(rare_targets)
    return HeadMeasures(heads, even, loss, rare_counts)


def _agreements(maps: SentenceMaps, links: Links | None) -> Iterator[tuple[Aligner, tuple[int, int]]]:
    """Yield the number of links found, and of correct links, of every head at both moments."""
    for name, weights in maps.maps.items() if links is not None else ():
        kind, layer = split_name(name)
        if kind == "decoder.cross":
            for moment in get_args(Moment):
                for head in range(len(weights)):
                    aligner = Aligner(layer, head, moment)
                    found = count_links([(aligner.links(maps), links or Links(frozenset(), frozenset()))])
                    yield aligner, (found.found, found.found_possible)


def _shares(agreements: Mapping[Aligner, Sequence[tuple[int, int]]]) -> dict[str, Float[np.ndarray, "heads"]]:
    """Return the share of correct links of each head at its better moment, by map."""
    shares: dict[str, dict[int, float]] = {}
    for aligner, counts in agreements.items():
        found, possible = np.sum(counts, axis=0)
        own = shares.setdefault(f"decoder.{aligner.layer}.cross", {})
        own[aligner.head or 0] = max(own.get(aligner.head or 0, 0.0), possible / max(found, 1))
    return {name: np.array([own[head] for head in sorted(own)]) for name, own in shares.items()}
