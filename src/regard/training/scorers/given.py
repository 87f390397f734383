"""Texts that the user names in ``callbacks.attention.texts``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from regard.data.tokenizer.tokenizer import Tokenizer


def warn_of_long_texts(texts: Sequence[str], tokenizer: Tokenizer, most: int) -> None:
    """Warn of texts with more than ``most`` tokens, which are cut."""
    for number, text in enumerate(texts, start=1):
        if (tokens := len(tokenizer.encode(text))) > most:
            warnings.warn(
                f"callbacks.attention.texts: text {number} has {tokens} tokens; only the first {most} "
                "are read (model.max_length)",
                stacklevel=2,
            )
