"""Random changes of training images that keep their captions true."""

from __future__ import annotations

import re

import numpy as np
import PIL.Image
import torch
from torchvision.transforms import v2

from regard.data.images.image import Pixels, resize

SIDES = re.compile(r"\b(left|right)(most|wards?)?\b", re.IGNORECASE)
"""Words that a mirror image would make false."""


class Augmentation:
    """Random crops, mirror images and colours, with the transforms of torchvision.

    The hue is not changed, because captions name colours.

    crop: smallest share of the area that a crop has (Szegedy et al. 2015, section 6); 1 for no crops
    flip: probability of a mirror image. An image whose caption has the word left or right is never mirrored.
    colour: largest relative change of brightness, contrast and saturation; 0 for none
    """

    def __init__(self, crop: float = 1.0, flip: float = 0.0, colour: float = 0.0) -> None:
        self.crop = crop
        self.mirror = v2.RandomHorizontalFlip(flip)
        self.colours = v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour)

    def __call__(self, pixels: Pixels, size: int, caption: str, seed: int) -> Pixels:
        """Return a square image of ``size`` pixels, a function of the arguments. Does not use the global random state.

        pixels: an image of any size
        """
        crop = v2.RandomResizedCrop(size, scale=(self.crop, 1.0), interpolation=v2.InterpolationMode.BICUBIC)
        image = PIL.Image.fromarray(pixels if self.crop < 1 else resize(pixels, size))
        with torch.random.fork_rng(devices=[]):  # the transforms accept no generator
            torch.default_generator.manual_seed(seed)
            image = self.colours(crop(image) if self.crop < 1 else image)
            return np.asarray(image if SIDES.search(caption) else self.mirror(image))
