"""The special tokens of every vocabulary: their ids and pieces. Does not import SentencePiece."""

from __future__ import annotations

PAD, BOS, EOS, UNK = 0, 1, 2, 3

SPECIAL_PIECES = ("<pad>", "<s>", "</s>", "<unk>")
"""By id."""

NUM_SPECIALS = len(SPECIAL_PIECES)

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""The character that stands for a space in SentencePiece's pieces."""
