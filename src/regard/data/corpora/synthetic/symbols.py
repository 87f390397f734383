"""The characters of synthetic sequences: each symbol is one readable character, and one token."""

from __future__ import annotations

import string

_HANGUL = "".join(map(chr, range(0xAC00, 0xD7A4)))
_IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x4E00 + len(_HANGUL))))

SMALL = string.ascii_lowercase + _HANGUL
"""Symbols of the first kind, such as keys: the small Latin letters, then syllables of Hangul."""

CAPITAL = string.ascii_uppercase + _IDEOGRAPHS
"""Symbols of the second kind, such as values: the capital Latin letters, then Chinese characters."""

MOST_SYMBOLS = len(SMALL)
"""Number of characters of each kind."""
