"""What a parallel corpus is: two texts, aligned line by line, in three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from regard.errors import UsageError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class MissingSplit(UsageError):
    """The corpus has no such part, and none was named for it."""


class ParallelCorpus(Protocol):
    """A source of sentence pairs. Implement these three methods to bring a corpus of your own."""

    def check(self) -> None:
        """Fail early: files exist (or can be downloaded). Cheap: reads no text.

        Raises:
            RegardError: what is missing, and what to do.
        """
        ...

    def fingerprint(self) -> dict[str, object]:
        """Everything that the text depends on, as plain JSON values."""
        ...

    def pairs(self, split: Split) -> Iterator[tuple[str, str]]:
        """The (source, target) lines of one part, in order, without newlines; streamed, not held.

        Raises:
            MissingSplit: there is no such part.
            RegardError: a file that cannot be read, with its line.
        """
        ...
