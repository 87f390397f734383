"""Measures of all heads of a denoiser over a sample of images: the words they read, and where their objects are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from regard.data.batching import Batch
from regard.data.corpora.captions.judged import Mentioned
from regard.inference.drawing.text_to_image import TextToImage
from regard.observe.measure.head_measures import MeasuresByMap
from regard.observe.measure.heads import MEASURES, MeasureMeans, row_measures
from regard.observe.measure.word_kinds import ReadKinds
from regard.observe.measure.word_objects import OBJECT_MEASURES, Values, WordObjects
from regard.observe.record.maps import row_entropy, split_name
from regard.observe.record.noised import NoisedMaps, noised_maps

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the noise: 0 is noise, 1 is the image."""
MEAN = "mean"

DESCRIPTIONS = {
    "entropy": MEASURES["entropy"],
    "distance": MEASURES["distance"],
    **OBJECT_MEASURES,
    "reads": "share of the attention of a patch that goes to words of a kind",
    "importance": "increase of the loss without this head",
}
"""All measures in display order; "pointing", "overlap", "own" and "reads" are followed by a kind of word."""


class Place(NamedTuple):
    """A head of a map, or the mean over heads, or over layers and heads: ("decoder.mean.cross", "mean")."""

    map: str
    head: int | str


class DrawingHeads(NamedTuple):
    """The measures of every head of a denoiser.

    cross: the heads of cross-attention, the means over the heads of a layer, and the mean over all layers
    times: of the noise
    values: measures of each place of ``cross`` by name, such as ``pointing_colour`` and ``reads_shape``. The first is
        that of the mean of the maps over the times, the others those at each time.
    uniform: the same for uniform weights
    words: number of words with an object, by kind
    mixing: measures of self-attention, by map
    importance: by map
    """

    cross: list[Place]
    times: Sequence[float]
    values: Values
    uniform: dict[str, float]
    words: Mapping[str, int]
    mixing: MeasuresByMap
    importance: Mapping[str, Float[np.ndarray, "heads"]]

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield each head as a dict: its map, its number or "mean", its measures, and those at each time."""
        for name, measures in self.mixing.items():
            for head in range(len(measures["entropy"])):
                values = {measure: float(each[head]) for measure, each in measures.items()}
                yield {"map": name, "head": head, **values, **self._importance(Place(name, head))}
        for number, place in self.in_order():
            at_times = {
                f"{time:g}": {name: float(each[1 + at, number]) for name, each in self.values.items()}
                for at, time in enumerate(self.times)
            }
            values = {name: float(each[0, number]) for name, each in self.values.items()}
            yield {**place._asdict(), **values, **self._importance(place), "times": at_times}
        yield {"map": self.cross[-1].map, "head": "uniform", **self.uniform}

    def in_order(self) -> list[tuple[int, Place]]:
        """Return the index and the place of each head of cross-attention: by layer, the mean over its heads last."""
        maps = list(dict.fromkeys(place.map for place in self.cross))
        return sorted(enumerate(self.cross), key=lambda each: maps.index(each[1].map))

    def _importance(self, place: Place) -> dict[str, float]:
        heads = self.importance.get(place.map)
        return {} if heads is None or isinstance(place.head, str) else {"importance": float(heads[place.head])}


def measure_drawing_heads(
    generator: TextToImage,
    batches: Sequence[Batch],
    mentions: Mapping[int, Sequence[Mentioned]],
    kinds: Mapping[str, str],
    importance: Mapping[str, Float[np.ndarray, "heads"]],
    times: Sequence[float] = TIMES,
) -> DrawingHeads:
    """Measure every head on images with noise.

    mentions: the words of the prompt that name an object of the image, by row (``Batch.rows``)
    kinds: see `ReadKinds`
    importance: see `regard.observe.measure.ablation`
    """
    objects, reads = WordObjects(), ReadKinds(kinds)
    mixing: dict[str, MeasureMeans] = {}
    entropies: list[np.ndarray] = []
    layers, heads = 0, 0
    for batch in batches:
        for row, maps in noised_maps(generator, batch, times):
            layers, heads = maps.cross.shape[1:3]
            weights = with_means(maps.cross)
            entropies.append(np.stack([row_entropy(each).mean(axis=-1) for each in weights]))
            objects.add(weights, maps.pieces, maps.grid, mentions.get(row, ()))
            reads.add(weights, maps.pieces)
            _add_mixing(mixing, maps)
    return DrawingHeads(
        cross=_places(layers, heads),
        times=times,
        values={"entropy": np.mean(entropies, axis=0), **objects.means(), **reads.means()},
        uniform={**objects.chances(), **reads.uniform()},
        words=objects.words,
        mixing={name: _of_self_attention(measured) for name, measured in mixing.items()},
        importance=importance,
    )


def with_means(
    weights: Float[np.ndarray, "time layer head patch piece"],
) -> Float[np.ndarray, "time_with_mean place patch piece"]:
    """Add means: over the times, at the start; over the heads of each layer and over all of them, at the end."""
    times = np.concatenate([weights.mean(axis=0, keepdims=True), weights])
    heads = times.reshape(len(times), -1, *times.shape[3:])
    return np.concatenate([heads, times.mean(axis=2), heads.mean(axis=1, keepdims=True)], axis=1)


def _places(layers: int, heads: int) -> list[Place]:
    """Return the places in the order of `with_means`."""
    names = [f"decoder.{layer}.cross" for layer in range(layers)]
    single = [Place(name, head) for name in names for head in range(heads)]
    return [*single, *(Place(name, MEAN) for name in names), Place(f"decoder.{MEAN}.cross", MEAN)]


def _of_self_attention(measured: MeasureMeans) -> dict[str, Float[np.ndarray, "heads"]]:
    means: dict[str, np.ndarray] = measured.means()
    return {name: values for name, values in means.items() if name in DESCRIPTIONS}


def _add_mixing(mixing: dict[str, MeasureMeans], maps: NoisedMaps) -> None:
    """Add self-attention: that of the prompt, and that of patches at each time."""
    for name, weights in maps.prompt.items():
        mixing.setdefault(name, MeasureMeans()).add(row_measures(weights, split_name(name)[0], maps.pieces))
    for name, by_time in maps.patches.items():
        for weights in by_time:  # the kind is that of an encoder of patches, which has no causal mask
            rows = row_measures(weights, "encoder.self", [], grid=maps.grid)
            mixing.setdefault(name, MeasureMeans()).add(rows)
