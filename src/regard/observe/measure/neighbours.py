"""Which tokens a model holds for alike: neighbours among its embeddings, and a map of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.specials import NUM_SPECIALS, UNK
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError

SECOND_ORDER = 4
"""Neighbours of each neighbour on the map."""


class Neighbour(NamedTuple):
    """A token and the cosine of its embedding with another."""

    token: int
    piece: str
    cosine: float


class Neighbourhood(NamedTuple):
    """A word, the pieces that it is made of, and the tokens that are next to it, the nearest first.

    vector: its embedding, of unit length: of several pieces the mean of theirs
    """

    word: str
    pieces: list[str]
    neighbours: list[Neighbour]
    vector: Float[np.ndarray, "dim"]


class Projection(NamedTuple):
    """Points in the plane: the word first, then its neighbours, then theirs (``degree`` 0, 1 and 2).

    variance: the share of the variance of the unit vectors that the plane shows
    """

    labels: list[str]
    degree: list[int]
    points: Float[np.ndarray, "points 2"]
    variance: float


def find_neighbourhood(
    embeddings: Float[np.ndarray, "vocab dim"], tokenizer: Tokenizer, word: str, number: int
) -> Neighbourhood:
    """The ``number`` tokens whose embeddings have the largest cosine with that of ``word``, its own pieces left aside.

    The word is cut as at the begin of a text, or as within one if that makes fewer pieces.
    Raises UsageError for a word that is empty or that the vocabulary cannot spell.
    """
    if not word.strip():
        raise UsageError("--word: it is empty; give a word")
    # Within a text a word has a space before it, which vocabularies of language models do not add.
    ids = min((tokenizer.encode(text) for text in (word, f" {word}")), key=len)
    if UNK in ids:
        raise UsageError(
            f"--word {word}: the vocabulary has no pieces that spell it; give another, or the other --side"
        )
    unit = unit_vectors(embeddings)
    vector = unit_vectors(embeddings[ids].mean(axis=0, keepdims=True))[0]
    found = nearest(unit, vector, number, {*ids, *range(NUM_SPECIALS)})
    pieces = tokenizer.pieces([token for token, _ in found])
    neighbours = [Neighbour(token, piece, cosine) for (token, cosine), piece in zip(found, pieces, strict=True)]
    return Neighbourhood(word, tokenizer.pieces(ids), neighbours, vector)


def nearest(
    unit: Float[np.ndarray, "vocab dim"], vector: Float[np.ndarray, "dim"], number: int, excluded: set[int]
) -> list[tuple[int, float]]:
    """The tokens with the largest cosine, and it; none of those ``excluded``. All vectors are of unit length."""
    cosines = unit @ vector
    order = [token for token in np.argsort(-cosines, kind="stable").tolist() if token not in excluded]
    return [(token, float(cosines[token])) for token in order[:number]]


def unit_vectors(vectors: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    """Each row divided by its length; a row of zeros stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def project(embeddings: Float[np.ndarray, "vocab dim"], tokenizer: Tokenizer, around: Neighbourhood) -> Projection:
    """The word, its neighbours and the nearest tokens of each of them, in the plane that shows most of them.

    Principal components by singular value decomposition of the centred unit vectors. The sign of an axis is such that
    the word has a coordinate of 0 or more on it.
    """
    unit, first = unit_vectors(embeddings), [neighbour.token for neighbour in around.neighbours]
    second = dict.fromkeys(
        found
        for token in first
        for found, _ in nearest(unit, unit[token], SECOND_ORDER, {token, *first, *range(NUM_SPECIALS)})
    )
    own = set(around.pieces) if len(around.pieces) == 1 else set()
    names = dict(zip(second, tokenizer.pieces(list(second)), strict=True))
    kept = [token for token in second if names[token] not in own]  # a word of one piece is there already
    points, variance = principal_plane(np.stack([around.vector, *unit[first], *unit[kept]]))
    points = points * np.where(points[0] < 0, -1.0, 1.0)
    labels = [around.word, *(neighbour.piece for neighbour in around.neighbours), *(names[token] for token in kept)]
    return Projection(labels, [0] + [1] * len(first) + [2] * len(kept), points, variance)


def principal_plane(vectors: Float[np.ndarray, "points dim"]) -> tuple[Float[np.ndarray, "points 2"], float]:
    """The vectors along their first two principal components, and the share of the variance that these have."""
    centred = vectors - vectors.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    shown = min(2, len(lengths))
    points[:, :shown] = left[:, :shown] * lengths[:shown]
    total = float(np.sum(lengths**2))
    return points, float(np.sum(lengths[:2] ** 2)) / total if total > 0 else 0.0


def place_labels(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], gap: float
) -> list[tuple[float, float]]:
    """Where each label's upper left corner goes: beside its point, over no label or point before it if there is room.

    points: in the order of their weight, y downwards; sizes: width and height of each label; gap: from the point.
    """
    taken = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in points]
    corners: list[tuple[float, float]] = []
    for (x, y), (wide, high) in zip(points, sizes, strict=True):
        right, left, middle = x + gap, x - gap - wide, x - wide / 2
        tried = [(right, y - high / 2), (left, y - high / 2), (middle, y - gap - high), (middle, y + gap)]
        tried += [
            (side, y - high / 2 + step * high) for step in (-0.8, 0.8, -1.6, 1.6, -2.4, 2.4) for side in (right, left)
        ]
        boxes = [(a, b, a + wide, b + high) for a, b in tried]
        best = min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        corners.append(best[:2])
    return corners


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
