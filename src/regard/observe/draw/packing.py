"""Convert a `Trace` to the data of the attention page: JSON values, and vectors as packed bytes."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
from jaxtyping import Float

from regard.data.images.image import Pixels
from regard.observe.draw.palette import DARK, LIGHT
from regard.observe.record.lens import LogitLens
from regard.observe.record.likelihood import TEMPERATURES, Likelihood
from regard.observe.record.maps import SentenceMaps, entropy
from regard.observe.record.trace import HeadVectors, Trace
from regard.observe.record.words import group_words, merge_words

PNG_BYTES = 1 << 16
"""Uncompressed size up to which an image is stored without loss."""

HALF_MAX = float(np.finfo(np.float16).max)


def pack_common(maps: SentenceMaps) -> dict[str, object]:
    """Return the data that all sentences of a model share: colour scale, kinds of attention, temperatures."""
    return {
        "palette": {"light": LIGHT, "dark": DARK},
        "kinds": {name: asdict(kind) for name, kind in maps.kinds.items()},
        "hasMaps": bool(maps.maps),
        "hasImages": maps.grid is not None,
        "temperatures": TEMPERATURES,
    }


def pack_sentence(trace: Trace) -> dict[str, object]:
    """Return all data of ``trace`` except its vectors.

    Weights are rounded to steps of 1/255 (error at most 1/510); ``entropy`` and ``wordEntropy`` (of the map merged to
    words) are computed before rounding. ``words`` has the ranges of pieces of each word, by side. Values that are not
    finite, as in a model that diverged, become None, and 0 in weights.
    """
    maps = trace.maps
    sides = {"source": maps.source, "prefix": maps.prefix, "target": maps.target}
    words = {side: side_spans(maps, pieces) for side, pieces in sides.items()}
    return {
        "sourceText": trace.source,
        "targetText": trace.target,
        **sides,
        "words": {side: [[span.start, span.stop] for span in found] for side, found in words.items()},
        "grid": maps.grid,
        "image": None if trace.image is None else pack_image(trace.image),
        "maps": {name: _pack_map(maps, name) for name in maps.maps},
        "likelihood": _pack_likelihood(trace.likelihood),
        "lens": _pack_lens(trace.lens),
        "vectors": {
            name: {"heads": len(each.query), "groups": len(each.key), "dim": each.query.shape[-1]}
            for name, each in trace.vectors.items()
        },
    }


def pack_weights(weights: Float[np.ndarray, "heads query key"]) -> str:
    """Return weights from 0 to 1 as steps of 1/255, one byte each, in base64; NaN is 0."""
    steps = np.rint(np.clip(np.nan_to_num(weights), 0, 1) * 255).astype(np.uint8)
    return b64encode(steps.tobytes()).decode("ascii")


def pack_vectors(vectors: Mapping[str, HeadVectors]) -> str:
    """Return query, key and value of each map as float16 (relative error 2**-11), compressed, in base64.

    The low bytes of all numbers precede the high bytes, which compresses better; then deflate (RFC 1950).
    """
    arrays = [array for each in vectors.values() for array in each]
    if not arrays:
        return ""
    numbers = np.concatenate([np.clip(np.nan_to_num(array), -HALF_MAX, HALF_MAX).ravel() for array in arrays])
    planes = numbers.astype("<f2").view(np.uint8).reshape(-1, 2).T
    return b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii")


def spans(pieces: Sequence[str]) -> list[range]:
    """Partition ``pieces`` into words and single pieces outside words, such as marks, in order.

    Words that share a piece are merged.
    """
    found: list[range] = []
    for word in group_words(pieces):
        if found and word.start < found[-1].stop:
            word = range(found.pop().start, word.stop)
        found.append(word)
    inside = {place for word in found for place in word}
    alone = [range(place, place + 1) for place in range(len(pieces)) if place not in inside]
    return sorted([*found, *alone], key=lambda span: span.start)


def side_spans(maps: SentenceMaps, pieces: Sequence[str]) -> list[range]:
    """Partition the pieces of a side into words; patches of an image are not merged."""
    if maps.grid is not None and pieces is maps.source:
        return [range(place, place + 1) for place in range(len(pieces))]
    return spans(pieces)


def pack_image(pixels: Pixels) -> str:
    """Return the address of an image: PNG, or JPEG if it is large."""
    buffer, kind = BytesIO(), "png" if pixels.size <= PNG_BYTES else "jpeg"
    PIL.Image.fromarray(pixels).save(buffer, kind, **({"quality": 90} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode('ascii')}"


def _pack_map(sentence: SentenceMaps, name: str) -> dict[str, object]:
    weights = np.nan_to_num(sentence.maps[name], nan=0.0)
    queries, keys = (side_spans(sentence, pieces) for pieces in sentence.tokens(name))
    return {
        "entropy": _plain(entropy(weights), 4),
        "wordEntropy": _plain(entropy(merge_words(weights, queries, keys)), 4),
        "steps": pack_weights(weights),
    }


def _pack_likelihood(likelihood: Likelihood) -> dict[str, object]:
    return {
        "logits": _plain(likelihood.logits, 5),
        "candidates": likelihood.candidates,
        "candidateLogits": _plain(likelihood.candidate_logits, 5),
        "logSums": _plain(likelihood.log_sums, 5),
    }


def _pack_lens(lens: LogitLens) -> dict[str, object]:
    return {
        "layers": lens.layers,
        "candidates": lens.candidates,
        "candidateProbabilities": _plain(lens.candidate_probabilities, 6),
        "probabilities": _plain(lens.probabilities, 6),
        "ranks": lens.ranks.tolist(),
    }


def _plain(array: np.ndarray, digits: int) -> Any:
    """Return nested lists of rounded numbers; values that are not finite become None, since JSON has no NaN."""
    rounded = np.round(array.astype(np.float64), digits)
    finite = rounded.astype(object)
    finite[~np.isfinite(rounded)] = None
    return finite.tolist()
