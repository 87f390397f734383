"""The protocol of a corpus: records of text, with one or two columns, in three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from regard.errors import UsageError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Record = tuple[str, ...]
"""The texts of one record, one per column."""

TEXT = ("text",)
"""The columns of a corpus for language models. A record is a document, with its newlines."""

PAIR = ("source", "target")
"""The columns of a corpus for translation. A record is a sentence and its translation."""


IMAGE_CAPTION = ("image", "caption")
"""The columns of a corpus for captioning. The first text of a record names an image, see `ImageCorpus`."""

IMAGE = "image"
"""The column that names an image. It is the first one, and it is not tokenized."""


class MissingSplit(UsageError):
    """The corpus does not have the requested part."""


class Corpus(Protocol):
    """A source of text. Implement this protocol to add a corpus."""

    @property
    def columns(self) -> tuple[str, ...]:
        """``TEXT``, ``PAIR`` or ``IMAGE_CAPTION``."""
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


@runtime_checkable
class ImageCorpus(Corpus, Protocol):
    """A corpus whose first column names images. Consecutive records may name the same image."""

    def read_image(self, reference: str) -> npt.NDArray[np.uint8]:
        """Return the image that a record names, RGB "height width channel".

        Raises:
            RegardError: the image cannot be read; the message has no file name.
        """
        ...

    def image_name(self, reference: str) -> str:
        """Return the name of an image for pages and messages; empty if it has none."""
        ...


def text_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that are tokenized."""
    return tuple(name for name in columns if name != IMAGE)


def record_noun(columns: tuple[str, ...]) -> str:
    """Return the noun for records with these columns, for messages."""
    if IMAGE in columns:
        return "captions"
    return "pairs" if len(columns) > 1 else "documents"
