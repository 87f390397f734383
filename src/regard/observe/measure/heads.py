"""Measures of attention heads: entropy, distance, and weight on kinds of tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from unicodedata import category

import numpy as np
from jaxtyping import Float, Int

from regard.data.tokenizer.specials import SPACE, SPECIAL_PIECES
from regard.observe.record.maps import row_entropy

RARE_SHARE = 0.1

MEASURES = {
    "entropy": "entropy of the weights in nats: 0 if all weight is on one key",
    "maximum": "largest weight",
    "distance": "mean distance between query and keys, in tokens or patches",
    "same": "weight on the position of the query",
    "previous": "weight on the position before the query",
    "next": "weight on the position after the query",
    "first": "weight on the first token",
    "last": "weight on the last token",
    "punctuation": "weight on punctuation",
    "rare": f"weight on rare tokens: the rarest ones, together at most {RARE_SHARE:.0%} of the sample",
    "induction": "weight on the token after the previous occurrence of the query",
}
"""The measures in display order, each with the description of the value whose mean it is."""

Rows = dict[str, Float[np.ndarray, "heads query"]]


def mean_measures(sentences: Iterable[Rows]) -> dict[str, Float[np.ndarray, "heads"]]:
    """Return the mean of each measure over the rows in which it is defined; undefined measures are left out."""
    means = MeasureMeans()
    for rows in sentences:
        means.add(rows)
    return means.means()


class MeasureMeans:
    """Accumulates the rows of one map over sentences; see `mean_measures`."""

    def __init__(self) -> None:
        self._totals: dict[str, np.ndarray] = {}
        self._counts: dict[str, np.ndarray] = {}

    def add(self, rows: Rows) -> None:
        """Add the rows of a sentence."""
        for name, values in rows.items():
            self._totals[name] = self._totals.get(name, 0.0) + np.nansum(values, axis=-1)
            self._counts[name] = self._counts.get(name, 0) + np.isfinite(values).sum(axis=-1)

    def means(self) -> dict[str, Float[np.ndarray, "heads"]]:
        """Return the means in the order of MEASURES."""
        named = (name for name in MEASURES if name in self._counts and self._counts[name].all())
        return {name: self._totals[name] / self._counts[name] for name in named}


def row_measures(
    weights: Float[np.ndarray, "heads query key"],
    kind: str,
    keys: Sequence[str],
    rare: Collection[str] = (),
    documents: Int[np.ndarray, "key"] | None = None,
    grid: tuple[int, int] | None = None,
) -> Rows:
    """Each of MEASURES for each row (query) of one map of one sentence; NaN where the measure is not defined.

    weights: without padding; rows of zeros (fully masked) are NaN in all measures
    kind: one of `regard.observe.record.maps.ATTENTION_KINDS`
    keys: the pieces on the key axis
    rare: the pieces that count as rare
    documents: the document of each token, if self-attention is restricted to the query's own document. "previous",
        "first" and "induction" are undefined if their key is in another document.
    grid: rows and columns of the patches of an image, if these are the keys. "distance" is then that of their centres
        in the plane, and is left out for cross-attention, as are all measures that name a position or a token.

    "next" and "last" are left out for causal attention, "induction" for cross-attention, "rare" if no piece is rare.

    In cross-attention, "same", "previous" and "next" compare positions in the target with positions in the source.
    Induction follows Olsson et al. 2022: in "a b ... a", the second a attends to b. It is undefined if the token after
    the last occurrence is the query itself.
    """
    p = weights.astype(np.float64)
    query, key = np.arange(p.shape[1]), np.arange(p.shape[2])
    rows = {"entropy": row_entropy(p), "maximum": p.max(axis=-1)}
    if grid is not None:
        if kind == "encoder.self":
            place = np.stack(np.divmod(key, grid[1]), axis=-1)
            rows["distance"] = np.sum(p * np.linalg.norm(place[:, None] - place, axis=-1), axis=-1)
            rows["same"] = _weight_on(p, query)
        return _without_masked(rows, p)
    rows |= {
        "distance": np.sum(p * np.abs(query[:, None] - key), axis=-1),
        "same": _weight_on(p, query),
        "previous": _weight_on(p, query - 1, documents),
        "first": _weight_on(p, np.zeros_like(query), documents),
        "punctuation": p[..., [is_punctuation(piece) for piece in keys]].sum(axis=-1),
    }
    if kind != "decoder.self":
        rows |= {"next": _weight_on(p, query + 1), "last": p[..., -1]}
    if kind != "decoder.cross":
        # Tokens of different documents never match.
        tokens = keys if documents is None else list(zip(documents.tolist(), keys, strict=True))
        rows["induction"] = _weight_on(p, after_last_occurrence(tokens))
    if rare:
        rows["rare"] = p[..., [piece in rare for piece in keys]].sum(axis=-1)
    return _without_masked(rows, p)


def uniform_weights(
    kind: str, queries: int, keys: int, documents: Int[np.ndarray, "key"] | None = None
) -> Float[np.ndarray, "1 query key"]:
    """Return the weights of a head that attends uniformly to all unmasked keys: the baseline for the measures.

    documents: as in `row_measures`
    """
    visible = np.ones((1, queries, keys), dtype=np.float32)
    if kind == "decoder.self":
        visible = np.tril(visible)
    if documents is not None:
        visible *= documents[:, None] == documents
    return visible / visible.sum(axis=-1, keepdims=True)


def is_punctuation(piece: str) -> bool:
    """Return whether the piece has only punctuation (Unicode categories P) after an optional space."""
    text = piece.removeprefix(SPACE)
    return bool(text) and piece not in SPECIAL_PIECES and all(category(char).startswith("P") for char in text)


def rare_pieces(sentences: Iterable[Sequence[str]]) -> frozenset[str]:
    """Return the rarest pieces of a sample, which together are at most RARE_SHARE of its pieces.

    Pieces of the same count are all rare or all not rare; if those that occur once exceed the share, none is rare.
    Special pieces are ignored.
    """
    counts = Counter(piece for sentence in sentences for piece in sentence if piece not in SPECIAL_PIECES)
    room, most = RARE_SHARE * counts.total(), 0
    for count, pieces in sorted(Counter(counts.values()).items()):
        room -= count * pieces
        if room < 0:
            break
        most = count
    return frozenset(piece for piece, count in counts.items() if count <= most)


def after_last_occurrence(tokens: Sequence[Hashable]) -> Int[np.ndarray, "query"]:
    """Return, per token, the position after its previous occurrence; -1 if there is none or it is the token itself."""
    last: dict[Hashable, int] = {}
    found = np.full(len(tokens), -1)
    for position, token in enumerate(tokens):
        follower = last.get(token, -2) + 1
        if follower != position:
            found[position] = follower
        last[token] = position
    return found


def _without_masked(rows: Rows, p: Float[np.ndarray, "heads query key"]) -> Rows:
    masked = ~np.any(p > 0, axis=-1)
    return {name: np.where(masked, np.nan, values) for name, values in rows.items()}


def _weight_on(
    p: Float[np.ndarray, "heads query key"],
    keys: Int[np.ndarray, "query"],
    documents: Int[np.ndarray, "key"] | None = None,
) -> np.ndarray:
    """Return the weight of each row on its key; NaN if the key does not exist or is in another document."""
    exists = (keys >= 0) & (keys < p.shape[-1])
    chosen = np.where(exists, keys, 0)
    if documents is not None:
        exists &= documents[chosen] == documents
    found = p[:, np.arange(len(keys)), chosen]
    return np.where(exists, found, np.nan)
