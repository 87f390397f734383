"""The coloured spots of a picture.

A pixel at the edge of an object is a mixture of the colours of the object and of the background. Its difference from
the background has the direction of the difference of the object, and is shorter: the direction gives the colour of the
object, and the length the share of the pixel that it covers. (The colours themselves mislead: the edge of a red object
on a light background is nearly orange.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from regard.data.corpora.shapes.combinations import COLOURS, Colour
from regard.data.corpora.shapes.layout import RGB
from regard.data.corpora.shapes.regions import grow_regions, label_regions
from regard.data.corpora.shapes.render import Plane

CONTRAST = 210  # of every colour: the largest difference of a channel from the background
COVERED = 0.55  # share of a pixel from which it is part of a spot; if lower, more objects touch
SPECK = 4.0  # in square units: smaller spots are ignored. The smallest object has 10.8, of which up to half is edge
EDGE = 3  # pixels around a spot that can be the edge of its object
NEAR = np.cos(np.radians(15))  # two colours of the palette are at least 19 degrees apart


class Spot(NamedTuple):
    """Connected pixels that are not background.

    Attributes:
        colour: nearest colour of the palette.
        rgb: colour, 0 to 255.
        uniform: share of the pixels that have nearly this colour of the palette.
        coverage: share of each pixel of the picture that the spot covers, "height width".
    """

    colour: Colour
    rgb: tuple[int, int, int]
    uniform: float
    coverage: Plane


def find_background(image: Plane) -> Plane:
    """Return the colour, "channel", of the background of a picture, "height width channel": most of its light half."""
    darkest = image.min(axis=2)
    return np.median(image[darkest >= np.median(darkest)], axis=0)


def find_spots(image: Plane, background: Plane, scale: float) -> Iterator[Spot]:
    """Yield the spots of a picture, "height width channel", by rows. ``scale`` is the number of pixels of a unit."""
    difference = background - image
    contrasts = background - np.array([RGB[colour] for colour in COLOURS], dtype=np.float32)
    palette = contrasts / np.linalg.norm(contrasts, axis=1, keepdims=True)  # directions, "colour channel"
    labels = label_regions(difference.max(axis=2) >= COVERED * CONTRAST)
    areas = np.bincount(labels.reshape(-1))
    labels = np.where(areas[labels] >= SPECK * scale**2, labels, np.int32(0))
    with_edges = labels
    for _ in range(EDGE):
        with_edges = grow_regions(with_edges)
    for label in sorted(set(labels[labels > 0].tolist()), reverse=True):
        pixels = difference[labels == label]
        direction = pixels.mean(axis=0) / np.linalg.norm(pixels.mean(axis=0))
        nearest = int((palette @ direction).argmax())
        uniform = (pixels @ palette[nearest] >= NEAR * np.linalg.norm(pixels, axis=1)).mean()
        contrast = contrasts[nearest] @ direction
        coverage = np.where(with_edges == label, np.clip(difference @ direction / contrast, 0, 1), np.float32(0))
        red, green, blue = (round(float(channel)) for channel in np.clip(background - contrast * direction, 0, 255))
        yield Spot(COLOURS[nearest], (red, green, blue), float(uniform), coverage)
