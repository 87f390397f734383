"""Nearest neighbours in the embedding space, and their projection to a plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.specials import NUM_SPECIALS, UNK
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError

SECOND_ORDER = 4
"""Number of neighbours of each neighbour in the projection."""


class Neighbour(NamedTuple):
    """A token and the cosine similarity of its embedding."""

    token: int
    piece: str
    cosine: float


class Neighbourhood(NamedTuple):
    """A word, its pieces, and its nearest tokens, nearest first.

    vector: the normalised embedding of the word: the mean over its pieces
    """

    word: str
    pieces: list[str]
    neighbours: list[Neighbour]
    vector: Float[np.ndarray, "dim"]


class Projection(NamedTuple):
    """Points in the plane: the word, its neighbours, and their neighbours (``degree`` 0, 1 and 2).

    variance: explained variance of the plane, as a share of the variance of the unit vectors
    """

    labels: list[str]
    degree: list[int]
    points: Float[np.ndarray, "points 2"]
    variance: float


def find_neighbourhood(
    embeddings: Float[np.ndarray, "vocab dim"], tokenizer: Tokenizer, word: str, number: int
) -> Neighbourhood:
    """Find the ``number`` tokens with the largest cosine similarity to ``word``, except its own pieces.

    The word is tokenized as at the start of a text, or as after a space if that needs fewer pieces.
    Raises UsageError for an empty word, and for a word that the vocabulary cannot represent.
    """
    if not word.strip():
        raise UsageError("--word is empty: give a word")
    # Vocabularies of language models do not add the space that a word has within a text.
    ids = min((tokenizer.encode(text) for text in (word, f" {word}")), key=len)
    if UNK in ids:
        raise UsageError(f"--word {word}: the vocabulary cannot represent it; give another word or the other --side")
    unit = unit_vectors(embeddings)
    vector = unit_vectors(embeddings[ids].mean(axis=0, keepdims=True))[0]
    found = nearest(unit, vector, number, {*ids, *range(NUM_SPECIALS)})
    pieces = tokenizer.pieces([token for token, _ in found])
    neighbours = [Neighbour(token, piece, cosine) for (token, cosine), piece in zip(found, pieces, strict=True)]
    return Neighbourhood(word, tokenizer.pieces(ids), neighbours, vector)


def nearest(
    unit: Float[np.ndarray, "vocab dim"], vector: Float[np.ndarray, "dim"], number: int, excluded: set[int]
) -> list[tuple[int, float]]:
    """Return the tokens with the largest cosines, and the cosines, except ``excluded``. Vectors have unit length."""
    cosines = unit @ vector
    order = [token for token in np.argsort(-cosines, kind="stable").tolist() if token not in excluded]
    return [(token, float(cosines[token])) for token in order[:number]]


def unit_vectors(vectors: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    """Divide each row by its length; rows of zeros are unchanged."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def project(embeddings: Float[np.ndarray, "vocab dim"], tokenizer: Tokenizer, around: Neighbourhood) -> Projection:
    """Project the word, its neighbours and their nearest tokens to the plane of the first two principal components.

    The components are those of the centred unit vectors. The sign of each axis is chosen such that the coordinate of
    the word is not negative.
    """
    unit, first = unit_vectors(embeddings), [neighbour.token for neighbour in around.neighbours]
    second = dict.fromkeys(
        found
        for token in first
        for found, _ in nearest(unit, unit[token], SECOND_ORDER, {token, *first, *range(NUM_SPECIALS)})
    )
    own = set(around.pieces) if len(around.pieces) == 1 else set()
    names = dict(zip(second, tokenizer.pieces(list(second)), strict=True))
    kept = [token for token in second if names[token] not in own]  # a word of one piece is already a point
    points, variance = principal_plane(np.stack([around.vector, *unit[first], *unit[kept]]))
    points = points * np.where(points[0] < 0, -1.0, 1.0)
    labels = [around.word, *(neighbour.piece for neighbour in around.neighbours), *(names[token] for token in kept)]
    return Projection(labels, [0] + [1] * len(first) + [2] * len(kept), points, variance)


def principal_plane(vectors: Float[np.ndarray, "points dim"]) -> tuple[Float[np.ndarray, "points 2"], float]:
    """Return the coordinates on the first two principal components, and their share of the variance."""
    centred = vectors - vectors.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    shown = min(2, len(lengths))
    points[:, :shown] = left[:, :shown] * lengths[:shown]
    total = float(np.sum(lengths**2))
    return points, float(np.sum(lengths[:2] ** 2)) / total if total > 0 else 0.0
