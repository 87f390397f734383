"""The special tokens of every vocabulary: their ids and pieces. No SentencePiece is loaded for them."""

from __future__ import annotations

PAD, BOS, EOS, UNK = 0, 1, 2, 3

SPECIAL_PIECES = ("<pad>", "<s>", "</s>", "<unk>")
"""By id."""

NUM_SPECIALS = len(SPECIAL_PIECES)

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece writes a space as this character."""
