"""Convert a `DrawingTrace` to the data of its page: JSON values, with weights as packed bytes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from regard.observe.draw.packing import pack_image, pack_weights, spans
from regard.observe.record.drawing import DrawingTrace
from regard.observe.record.maps import split_name
from regard.observe.record.words import merge_words

SIGNIFICANT = 4
"""Digits of the largest weights."""


def pack_drawing(trace: DrawingTrace, steps: int, with_patches: bool) -> dict[str, object]:
    """Return the data of a trace.

    steps: largest number of steps, evenly spaced, whose images and maps are kept; the mean over all steps always is
    with_patches: keep the maps in which patches attend to patches

    The pieces of a word are merged: their weights are added. ``cross`` has the mean over the steps before those of each
    step. Weights are rounded to steps of 1/255 of the largest weight of each head and word, or of each head and query
    if the queries and the keys are of the same kind. The maps of a kind are in the order of the layers.
    """
    words = spans(trace.pieces)
    kept = np.unique(np.linspace(0, len(trace.times) - 1, min(steps, len(trace.times))).round().astype(int)).tolist()
    maps = trace.maps
    cross = [_add_pieces(maps.cross[name], words) for name in _by_layer(maps.cross)]
    return {
        "prompt": trace.wanted.prompt,
        "seed": trace.wanted.seed,
        "words": ["".join(trace.pieces[word.start : word.stop]) for word in words],
        "grid": trace.grid,
        "image": pack_image(trace.image),
        "count": len(trace.times),
        "steps": kept,
        "times": [round(trace.times[step], SIGNIFICANT) for step in kept],
        "noisy": [pack_image(trace.noisy[step]) for step in kept],
        "predicted": [pack_image(trace.predicted[step]) for step in kept],
        "cross": [
            _pack(np.stack([weights.mean(axis=0), *(weights[step] for step in kept)]), (0, 2)) for weights in cross
        ],
        "patches": [_pack(maps.patches[name], (2,)) for name in _by_layer(maps.patches) if with_patches],
        "between": [_pack(merge_words(maps.prompt[name], words, words), (2,)) for name in _by_layer(maps.prompt)],
    }


def _by_layer(maps: dict[str, np.ndarray]) -> list[str]:
    return sorted(maps, key=lambda name: split_name(name)[1])


def _add_pieces(
    weights: Float[np.ndarray, "step heads patch piece"], words: list[range]
) -> Float[np.ndarray, "step heads patch word"]:
    return np.stack([weights[..., word.start : word.stop].sum(axis=-1) for word in words], axis=-1)


def _pack(weights: np.ndarray, axes: tuple[int, ...]) -> dict[str, object]:
    """Return the largest weights over ``axes``, and all weights relative to them."""
    weights = np.nan_to_num(weights)
    largest = weights.max(axis=axes, keepdims=True)
    tops = np.array([float(f"{value:.{SIGNIFICANT}g}") for value in largest.ravel()])
    shares = weights / np.maximum(tops.reshape(largest.shape), 1e-12)
    return {"tops": tops.reshape(len(largest.squeeze(axes)), -1).tolist(), "shares": pack_weights(shares)}
