"""From pieces to words: a map between words is what is compared with an alignment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.specials import SPACE

MARKS = frozenset({"<pad>", "<s>", "</s>"})
"""Stand for no part of the text; ``<unk>`` does."""

BYTE = re.compile("<0x[0-9A-F]{2}>")


def group_words(pieces: Sequence[str]) -> list[range]:
    """The pieces of each word of a text, split at white space as ``str.split`` does; marks belong to none.

    pieces: names as `Tokenizer.pieces` returns them. White space before a word belongs to it. A piece that reaches over
    several words belongs to each of them.
    """
    plain = _plain(pieces)
    begins = np.cumsum([0, *map(len, plain)])
    groups: list[range] = []
    for word in re.finditer(r"\S+", "".join(plain)):
        first = int(np.searchsorted(begins, word.start(), side="right")) - 1
        last = int(np.searchsorted(begins, word.end(), side="left")) - 1
        floor = groups[-1].stop if groups else 0
        while first > floor and pieces[first - 1] not in MARKS and plain[first - 1].isspace():
            first -= 1
        groups.append(range(first, last + 1))
    return groups


def spaced(text: str) -> str:
    """``text`` with one plain space between words: no vocabulary is to see another white space as a part of a word."""
    return " ".join(text.split())


def merge_words(
    weights: Float[np.ndarray, "heads query key"], queries: Sequence[range], keys: Sequence[range]
) -> Float[np.ndarray, "heads query_words key_words"]:
    """The weights between words: the sum over a key's pieces, the mean over a query's (Clark et al. 2019, section 4.1).

    A row's sum is what the marks have left of it.
    """
    to_keys = np.stack([weights[..., word.start : word.stop].sum(axis=-1) for word in keys], axis=-1)
    return np.stack([to_keys[:, word.start : word.stop].mean(axis=1) for word in queries], axis=1)


def _plain(pieces: Sequence[str]) -> list[str]:
    """Each piece with white space where it stands for some, and one character at least."""
    plain: list[str] = []
    for is_byte, run in groupby(pieces, lambda piece: BYTE.fullmatch(piece) is not None):
        if is_byte:
            text = bytes(int(piece[3:5], 16) for piece in run).decode("utf-8", "surrogateescape")
            for char in text:  # of several bytes, perhaps
                plain += [" " if char.isspace() else "x"] * len(char.encode("utf-8", "surrogateescape"))
        else:
            plain += [" " if piece in MARKS else _spaced(piece) or "x" for piece in run]
    return plain


def _spaced(piece: str) -> str:
    named = re.sub(r"<U\+([0-9A-F]{4,6})>", lambda found: chr(int(found[1], 16)), piece)
    return named.replace(SPACE, " ").replace("↵", "\n")
