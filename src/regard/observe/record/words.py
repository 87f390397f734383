"""Merge pieces into words, so that attention maps can be compared with word alignments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.specials import BOS, EOS, PAD, SPACE, SPECIAL_PIECES

MARKS = frozenset(SPECIAL_PIECES[token] for token in (PAD, BOS, EOS))
"""Pieces that do not stand for a part of the text, unlike ``<unk>``."""

BYTE = re.compile("<0x[0-9A-F]{2}>")


def group_words(pieces: Sequence[str]) -> list[range]:
    """Return the range of pieces of each word; words are separated by white space as in ``str.split``.

    pieces: as returned by `Tokenizer.pieces`

    White space before a word belongs to the word. A piece that spans several words belongs to each of them. Marks
    belong to no word.
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
    """Return ``text`` with one space between words. A vocabulary may treat other white space as part of a word."""
    return " ".join(text.split())


def merge_words(
    weights: Float[np.ndarray, "heads query key"], queries: Sequence[range], keys: Sequence[range]
) -> Float[np.ndarray, "heads query_words key_words"]:
    """Return the weights between words: sums over the pieces of a key, means over the pieces of a query.

    As in Clark et al. 2019, section 4.1. Weights on marks are dropped, so that rows may sum to less than 1.
    """
    to_keys = np.stack([weights[..., word.start : word.stop].sum(axis=-1) for word in keys], axis=-1)
    return np.stack([to_keys[:, word.start : word.stop].mean(axis=1) for word in queries], axis=1)


def _plain(pieces: Sequence[str]) -> list[str]:
    """Return each piece with spaces for its white space, and with ``x`` for bytes; never an empty string."""
    plain: list[str] = []
    for is_byte, run in groupby(pieces, lambda piece: BYTE.fullmatch(piece) is not None):
        if is_byte:
            text = bytes(int(piece[3:5], 16) for piece in run).decode("utf-8", "surrogateescape")
            for char in text:  # a character may consist of several bytes
                plain += [" " if char.isspace() else "x"] * len(char.encode("utf-8", "surrogateescape"))
        else:
            plain += [" " if piece in MARKS else _spaced(piece) or "x" for piece in run]
    return plain


def _spaced(piece: str) -> str:
    named = re.sub(r"<U\+([0-9A-F]{4,6})>", lambda found: chr(int(found[1], 16)), piece)
    return named.replace(SPACE, " ").replace("↵", "\n")
