"""The protocol of a corpus: records of text, with one or two columns, in three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from regard.errors import UsageError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Record = tuple[str, ...]
"""The texts of one record, one per column."""

TEXT = ("text",)
"""The columns of a corpus for language models. A record is a document, with its newlines."""

PAIR = ("source", "target")
"""The columns of a corpus for translation. A record is a sentence and its translation."""


class MissingSplit(UsageError):
    """The corpus does not have the requested part."""


class Corpus(Protocol):
    """A source of text. Implement this protocol to add a corpus."""

    @property
    def columns(self) -> tuple[str, ...]:
        """``TEXT`` or ``PAIR``."""
        ...

    def check(self) -> None:
        """Check early that files exist or can be downloaded. Fast: reads no text.

        Raises:
            RegardError: names what is missing, and what to do.
        """
        ...

    def fingerprint(self) -> dict[str, object]:
        """Return everything that the text depends on, as plain JSON values."""
        ...

    def records(self, split: Split) -> Iterator[Record]:
        """Stream the records of one part. Every call yields the same records in the same order.

        Raises:
            MissingSplit: the corpus has no such part.
            RegardError: a file cannot be read; names the file and the line.
        """
        ...


def record_noun(columns: tuple[str, ...]) -> str:
    """Return the noun for records with these columns, for messages."""
    return "pairs" if len(columns) > 1 else "documents"
