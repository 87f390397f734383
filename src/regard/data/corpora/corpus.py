"""What a corpus is: records of text, with one column or two, in three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from regard.errors import UsageError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Record = tuple[str, ...]
"""The texts of one record, one a column."""

TEXT = ("text",)
"""The columns of a corpus for language models: a record is a document, newlines and all."""

PAIR = ("source", "target")
"""The columns of a corpus for translation: a record is a sentence and its translation."""


class MissingSplit(UsageError):
    """The corpus has no such part, and none was named for it."""


class Corpus(Protocol):
    """A source of text. Implement this to bring a corpus of your own."""

    @property
    def columns(self) -> tuple[str, ...]:
        """``TEXT`` or ``PAIR``: what the texts of a record are."""
        ...

    def check(self) -> None:
        """Fail early: files exist (or can be downloaded). Cheap: reads no text.

        Raises:
            RegardError: what is missing, and what to do.
        """
        ...

    def fingerprint(self) -> dict[str, object]:
        """Everything that the text depends on, as plain JSON values."""
        ...

    def records(self, split: Split) -> Iterator[Record]:
        """The records of one part, the same ones in the same order every time; streamed, not held.

        Raises:
            MissingSplit: there is no such part.
            RegardError: a file that cannot be read, with its line.
        """
        ...


def noun(columns: tuple[str, ...]) -> str:
    """What records with these columns are called in messages."""
    return "pairs" if len(columns) > 1 else "documents"
