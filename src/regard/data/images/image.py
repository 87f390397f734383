"""An image as the input of a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ImageOps

Pixels = npt.NDArray[np.uint8]
"""An RGB image, "height width channel"."""


class Image(NamedTuple):
    """An image and its name for pages, which may be empty."""

    pixels: Pixels
    name: str = ""


def resize(pixels: Pixels, size: int) -> Pixels:
    """Return a square image: the shorter side resized to ``size``, with antialiasing, and the centre cut out.

    An image of this size is returned unchanged. With Pillow, whose import is fast: each worker that prepares images
    would import torch for torchvision's transforms.
    """
    if pixels.shape[:2] == (size, size):
        return pixels
    return np.asarray(ImageOps.fit(PIL.Image.fromarray(pixels), (size, size), PIL.Image.Resampling.BICUBIC))
