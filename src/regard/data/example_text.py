"""A short text for commands that are shown to the user as examples."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

MAX_EXAMPLES = 1000
"""Number of validation texts among which an example text is searched."""


def example_text(texts: Iterable[str]) -> str:
    """Return the first words of the first text that is not blank; an empty text if all are."""
    return next(filter(None, map(first_words, islice(texts, MAX_EXAMPLES))), "")


def first_words(text: str, length: int = 60) -> str:
    """Return the first line with three words, or else the first that is not blank, cut to ``length`` characters."""
    lines = [line.strip() for line in text[: 100 * length].split("\n") if line.strip()]
    line = next((line for line in lines if len(line.split()) > 2), next(iter(lines), ""))
    return line if len(line) <= length else line[:length].rpartition(" ")[0] or line[:length]
