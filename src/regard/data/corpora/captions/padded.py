"""The images of a corpus on a white square."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from regard.data.corpora.corpus import ImageCorpus, Record, Split
from regard.data.images.image import Pixels


class Padded:
    """A corpus whose images are continued to squares with white, instead of being cut. See `ImageCorpus`."""

    def __init__(self, corpus: ImageCorpus) -> None:
        self.corpus, self.columns = corpus, corpus.columns

    def check(self) -> None:
        """See `ImageCorpus`."""
        self.corpus.check()

    def fingerprint(self) -> dict[str, object]:
        """See `ImageCorpus`."""
        return self.corpus.fingerprint() | {"padded": True}

    def records(self, split: Split) -> Iterator[Record]:
        """See `ImageCorpus`."""
        return self.corpus.records(split)

    def read_image(self, reference: str) -> Pixels:
        """Return the image that a record names in the middle of a white square, RGB "side side channel".

        Raises RegardError if the image cannot be read.
        """
        pixels = self.corpus.read_image(reference)
        side = max(pixels.shape[:2])
        square = np.full((side, side, 3), 255, dtype=np.uint8)
        top, left = ((side - length) // 2 for length in pixels.shape[:2])
        square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return square

    def image_name(self, reference: str) -> str:
        """See `ImageCorpus`."""
        return self.corpus.image_name(reference)
