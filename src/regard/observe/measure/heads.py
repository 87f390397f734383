"""What a head does, in numbers: how focused it is, how far it looks, and at which tokens."""

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
    "entropy": "entropy of a row in nats: 0 reads one token",
    "maximum": "the largest weight of a row",
    "distance": "tokens between the query and what it reads",
    "same": "weight on the query's own position",
    "previous": "weight on the position before it",
    "next": "weight on the position after it",
    "first": "weight on the first token",
    "last": "weight on the last token",
    "punctuation": "weight on punctuation",
    "rare": f"weight on rare tokens: those that together make up at most {RARE_SHARE:.0%} of the sample",
    "induction": "weight on what followed the last occurrence of the query's token",
}
"""The measures, in the order in which they are shown, and what each is a mean of."""

Rows = dict[str, Float[np.ndarray, "heads query"]]


def mean_measures(sentences: Iterable[Rows]) -> dict[str, Float[np.ndarray, "heads"]]:
    """The mean of each measure over the rows of all the sentences that have it; a measure that none has is left out."""
    tally = MeasureMeans()
    for rows in sentences:
        tally.add(rows)
    return tally.means()


class MeasureMeans:
    """`mean_measures` of sentences that come one by one, of several maps in turn."""

    def __init__(self) -> None:
        self._totals: dict[str, np.ndarray] = {}
        self._counts: dict[str, np.ndarray] = {}

    def add(self, rows: Rows) -> None:
        """Take the rows of one more sentence in."""
        for name, values in rows.items():
            self._totals[name] = self._totals.get(name, 0.0) + np.nansum(values, axis=-1)
            self._counts[name] = self._counts.get(name, 0) + np.isfinite(values).sum(axis=-1)

    def means(self) -> dict[str, Float[np.ndarray, "heads"]]:
        """The means over the rows that have the measure, in the order of MEASURES; one that none has is left out."""
        named = (name for name in MEASURES if name in self._counts and self._counts[name].all())
        return {name: self._totals[name] / self._counts[name] for name in named}


def row_measures(
    weights: Float[np.ndarray, "heads query key"],
    kind: str,
    keys: Sequence[str],
    rare: Collection[str] = (),
    documents: Int[np.ndarray, "key"] | None = None,
) -> Rows:
    """Each of MEASURES for each row (query) of one map of one sentence; NaN where the measure is not defined.

    weights: without padding; rows of zeros (fully masked) are NaN in all measures
    kind: one of `regard.observe.record.maps.ATTENTION_KINDS`
    keys: the pieces on the key axis
    rare: the pieces that count as rare
    documents: the document of each token, if self-attention is restricted to the query's own document. "previous",
        "first" and "induction" are undefined if their key is in another document.

    "next" and "last" are left out for causal attention, "induction" for cross-attention, "rare" if no piece is rare.

    In self-attention the query at a position is the token there; in cross-attention positions of the two sides
    are compared, so "same" is the diagonal. Induction is that of Olsson et al. 2022: "a b ... a" reads b. Where
    the token that followed is the query itself, it is not counted.
    """
    p = weights.astype(np.float64)
    query, key = np.arange(p.shape[1]), np.arange(p.shape[2])
    rows = {
        "entropy": row_entropy(p),
        "maximum": p.max(axis=-1),
        "distance": np.sum(p * np.abs(query[:, None] - key), axis=-1),
        "same": _weight_on(p, query),
        "previous": _weight_on(p, query - 1, documents),
        "first": _weight_on(p, np.zeros_like(query), documents),
        "punctuation": p[..., [is_punctuation(piece) for piece in keys]].sum(axis=-1),
    }
    if kind != "decoder.self":
        rows |= {"next": _weight_on(p, query + 1), "last": p[..., -1]}
    if kind != "decoder.cross":
        # The same token in another document is another.
        tokens = keys if documents is None else list(zip(documents.tolist(), keys, strict=True))
        rows["induction"] = _weight_on(p, after_last_occurrence(tokens))
    if rare:
        rows["rare"] = p[..., [piece in rare for piece in keys]].sum(axis=-1)
    masked = ~np.any(p > 0, axis=-1)
    return {name: np.where(masked, np.nan, values) for name, values in rows.items()}


def uniform_weights(
    kind: str, queries: int, keys: int, documents: Int[np.ndarray, "key"] | None = None
) -> Float[np.ndarray, "1 query key"]:
    """A head that reads all it sees alike: what the measures of the others are to be compared with.

    documents: as in `row_measures`
    """
    seen = np.ones((1, queries, keys), dtype=np.float32)
    if kind == "decoder.self":
        seen = np.tril(seen)
    if documents is not None:
        seen *= documents[:, None] == documents
    return seen / seen.sum(axis=-1, keepdims=True)


def is_punctuation(piece: str) -> bool:
    """Whether the piece is punctuation (Unicode's categories P) and nothing else but the space before it."""
    text = piece.removeprefix(SPACE)
    return bool(text) and piece not in SPECIAL_PIECES and all(category(char).startswith("P") for char in text)


def rare_pieces(sentences: Iterable[Sequence[str]]) -> frozenset[str]:
    """The pieces of a sample that occur seldom, in it: by whole frequencies, at most RARE_SHARE of it together.

    Specials are left aside. None is rare where even those that occur once are more.
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
    """For each token the position after its last occurrence before it; -1 where there is none, or it is its own."""
    last: dict[Hashable, int] = {}
    found = np.full(len(tokens), -1)
    for position, token in enumerate(tokens):
        follower = last.get(token, -2) + 1
        if follower != position:
            found[position] = follower
        last[token] = position
    return found


def _weight_on(
    p: Float[np.ndarray, "heads query key"],
    keys: Int[np.ndarray, "query"],
    documents: Int[np.ndarray, "key"] | None = None,
) -> np.ndarray:
    """The weight of each row on its one key, NaN where that is none, or in another document."""
    exists = (keys >= 0) & (keys < p.shape[-1])
    chosen = np.where(exists, keys, 0)
    if documents is not None:
        exists &= documents[chosen] == documents
    found = p[:, np.arange(len(keys)), chosen]
    return np.where(exists, found, np.nan)
