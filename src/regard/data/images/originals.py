"""Original images, which are decoded at each access: only the reference of each record is stored."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import ImageCorpus
from regard.data.images.image import Pixels
from regard.data.prepare.store import TokenFile, TokenWriter
from regard.errors import RegardError


class ReferenceWriter:
    """Writes the reference of each record as a row of UTF-8 bytes, see `TokenWriter`. Used like `ImageWriter`."""

    def __init__(self, stem: Path) -> None:
        self.images = 0
        self._reference = b""
        self._rows = TokenWriter(stem, vocab_size=256)

    def append(self, reference: str, pixels: Pixels) -> None:
        """Append an image, which is not stored; the records added next belong to it."""
        self._reference = reference.encode()
        self.images += 1

    def add_record(self) -> None:
        """Add a record of the last image."""
        self._rows.append([self._reference])

    def __enter__(self) -> ReferenceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._rows.__exit__(kind, error, traceback)


class OriginalImages:
    """Images of any size by record, decoded at each access. Used like `ImageFile`.

    references: written by a `ReferenceWriter`
    corpus: reads the images
    """

    def __init__(self, references: TokenFile, corpus: ImageCorpus) -> None:
        self.references, self.corpus = references, corpus

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, record: int) -> Pixels:
        """Return the image of a record, RGB "height width channel".

        Raises RegardError if it can no longer be read.
        """
        reference = self.reference(record)
        try:
            return self.corpus.read_image(reference)
        except RegardError as error:
            raise RegardError(f"{reference}: {error}; it could be read when the data was prepared") from error

    def reference(self, record: int) -> str:
        """Return the reference of the image of a record."""
        return self.references[record].astype(np.uint8).tobytes().decode()

    def is_first(self, record: int) -> bool:
        """Return whether a record is the first one of its image."""
        return record == 0 or self.reference(record) != self.reference(record - 1)

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number of the image of each record, Int64 "records". Reads all references."""
        return np.cumsum([self.is_first(record) for record in range(len(self))]) - 1
