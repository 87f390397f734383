"""Every head of a model, measured over a sample of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from regard.data.batching import Batch
from regard.data.corpora.links import Links
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.model.transformer import Transformer
from regard.observe.measure.ablation import head_importance
from regard.observe.measure.alignment import Aligner, Moment, count_links
from regard.observe.measure.heads import MEASURES, MeasureMeans, rare_pieces, row_measures, uniform_weights
from regard.observe.record.forced import batch_maps
from regard.observe.record.maps import SentenceMaps, split_name

ALL_MEASURES = MEASURES | {
    "agreement": "target words whose strongest source word is right",
    "importance": "what the loss grows without this head, in nats a token",
}
"""All measures in the order in which they are shown, and what each is."""

MeasuresByMap = dict[str, dict[str, Float[np.ndarray, "heads"]]]
"""By map and measure; a measure that a map cannot have is not there."""


class HeadMeasures(NamedTuple):
    """The measures of every head and, as a yardstick, those of a head that reads all it sees alike.

    A head's agreement is the better of those as words are written and as they are read (`alignment.Moment`).

    loss: of the whole model on the sample, in nats a token; rare: how many pieces of each side count as rare
    """

    heads: MeasuresByMap
    uniform: MeasuresByMap
    loss: float
    rare: tuple[int, int]

    def rows(self) -> Iterator[dict[str, str | int | float]]:
        """Each head as plain values: its map, its number or "uniform", and its measures."""
        for name, own in self.heads.items():
            for head in range(len(own["entropy"])):
                yield {"map": name, "head": head, **{measure: float(values[head]) for measure, values in own.items()}}
            yield {"map": name, "head": "uniform", **{m: float(v[0]) for m, v in self.uniform[name].items()}}


def measure_heads(
    model: Transformer,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    batches: Sequence[Batch],
    reference: Mapping[int, Links],
) -> HeadMeasures:
    """Measure every head on ``batches``; agreement is with the links in ``reference``, by row of a batch."""
    rare_sources = rare_pieces(pieces for batch in batches for pieces in _pieces(source_tokenizer, batch.source))
    rare_targets = rare_pieces(pieces for batch in batches for pieces in _pieces(target_tokenizer, batch.prefix))
    tallies: dict[str, MeasureMeans] = {}
    flat: dict[str, MeasureMeans] = {}
    right: dict[Aligner, list[tuple[int, int]]] = {}
    for batch in batches:
        for place, (row, maps) in enumerate(batch_maps(model, source_tokenizer, target_tokenizer, batch)):
            packed = None if batch.documents is None else batch.documents[place, : len(maps.prefix)].numpy()
            for name, weights in maps.maps.items():
                kind, _ = split_name(name)
                queries, keys = maps.tokens(name)
                rare, documents = (rare_targets, packed) if kind == "decoder.self" else (rare_sources, None)
                tallies.setdefault(name, MeasureMeans()).add(row_measures(weights, kind, keys, rare, documents))
                even = uniform_weights(kind, len(queries), len(keys), documents)
                flat.setdefault(name, MeasureMeans()).add(row_measures(even, kind, keys, rare, documents))
            for aligner, counts in _agreements(maps, reference.get(row)):
                right.setdefault(aligner, []).append(counts)
    heads = {name: tally.means() for name, tally in tallies.items()}
    for name, shares in _shares(right).items():
        heads[name]["agreement"] = shares
    loss, changes = head_importance(model, batches)
    for name, change in changes.items():
        if name in heads:
            heads[name]["importance"] = change
    rare_counts = len(rare_sources), len(rare_targets)
    return HeadMeasures(heads, {name: tally.means() for name, tally in flat.items()}, loss, rare_counts)


def _pieces(tokenizer: Tokenizer, ids: Tensor | None) -> Iterator[list[str]]:
    """The pieces of each row; marks do no harm."""
    for row in () if ids is None else ids.tolist():
        yield tokenizer.pieces(row)


def _agreements(maps: SentenceMaps, links: Links | None) -> Iterator[tuple[Aligner, tuple[int, int]]]:
    """Of every head at both moments: links found in this pair, and those of them that are right."""
    for name, weights in maps.maps.items() if links is not None else ():
        kind, layer = split_name(name)
        if kind == "decoder.cross":
            for moment in get_args(Moment):
                for head in range(len(weights)):
                    aligner = Aligner(layer, head, moment)
                    found = count_links([(aligner.links(maps), links or Links(frozenset(), frozenset()))])
                    yield aligner, (found.found, found.found_possible)


def _shares(right: Mapping[Aligner, Sequence[tuple[int, int]]]) -> dict[str, Float[np.ndarray, "heads"]]:
    """By map the share of right links of each head, at its better moment."""
    shares: dict[str, dict[int, float]] = {}
    for aligner, counts in right.items():
        found, possible = np.sum(counts, axis=0)
        own = shares.setdefault(f"decoder.{aligner.layer}.cross", {})
        own[aligner.head or 0] = max(own.get(aligner.head or 0, 0.0), possible / max(found, 1))
    return {name: np.array([own[head] for head in sorted(own)]) for name, own in shares.items()}
