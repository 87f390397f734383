"""An image as a source: pixels, encoded as a grid of patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from regard.data.images.decode import decode_file
from regard.data.images.image import Image, resize
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import RegardError, UsageError


class ImageSource:
    """Images. An example is RGB pixels, UInt8 "3 size size". See `Source`.

    size: side of the square input of the encoder, in pixels
    grid: rows and columns of the memory
    """

    tokenizer: Tokenizer | None = None

    def __init__(self, size: int, grid: tuple[int, int]) -> None:
        self.size, self.grid = size, grid

    def read(self, argument: str) -> Image:
        """Return the image in a file, resized.

        Raises:
            UsageError: there is no such file.
            RegardError: it cannot be read; names it.
        """
        if not Path(argument).is_file():
            raise UsageError(f"{argument}: no such file; give an image file")
        try:
            return Image(resize(decode_file(Path(argument)), self.size), argument)
        except RegardError as error:
            raise RegardError(f"{argument}: {error}") from error

    def encode(self, inputs: Sequence[Image]) -> tuple[list[Tensor], list[int]]:
        """See `Source`. No image is too large: each is resized."""
        return [as_tensor(resize(image.pixels, self.size)) for image in inputs], []

    def collate(self, examples: Sequence[Tensor]) -> Tensor:
        """Return a batch of images, UInt8 "batch 3 size size"."""
        return torch.stack(list(examples))

    def length(self, example: Tensor) -> int:
        """Return the number of patches."""
        return math.prod(self.grid)

    def labels(self, row: Tensor) -> list[str]:
        """Return row and column of each patch, from 1."""
        rows, columns = self.grid
        return [f"{row + 1},{column + 1}" for row in range(rows) for column in range(columns)]

    def describe(self, given: Image) -> str:
        """Return the name of the image."""
        return given.name


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Return an image "height width 3" as a tensor "3 height width"."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
