"""The shape that fits a spot best, by comparison with rendered shapes."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from regard.data.corpora.shapes.combinations import SIZES, Shape, Size
from regard.data.corpora.shapes.layout import RADII, ROTATION
from regard.data.corpora.shapes.render import DISTANCES, Plane
from regard.data.corpora.shapes.scene import SIDE

DEGREES = np.arange(-ROTATION, ROTATION + 1, 4)
SINE: Plane = np.sin(np.radians(DEGREES)).astype(np.float32)[:, None, None]
COSINE: Plane = np.cos(np.radians(DEGREES)).astype(np.float32)[:, None, None]
EDGE = (
    1.25  # pixels from no coverage to all: edges of generated pictures are softer than those of rendered ones, with 1
)
MIDDLE = (RADII["small"][1] + RADII["large"][0]) / 2
"""The radius between small and large, in units."""


class Fit(NamedTuple):
    """A shape, its centre and radius in units, its rotation in degrees, and the share of the spot that it explains.

    The share is 1 - (squared differences between the coverage of the spot and of the shape) / (squared coverage).
    """

    shape: Shape
    size: Size
    x: float
    y: float
    radius: float
    rotation: int
    explained: float


def _area(shape: Shape) -> float:
    """Return the area of a shape with radius 1."""
    places = np.linspace(-1, 1, 401, dtype=np.float32)
    return float((DISTANCES[shape](places, places[:, None]) <= 0).mean()) * 4


AREAS = {shape: _area(shape) for shape in DISTANCES}


def fit_shape(coverage: Plane, side: float = SIDE) -> Fit:
    """Compare the covered share of each pixel, "height width", with every shape and rotation, and return the best.

    The centre of a shape is the centre of the spot: their centres of gravity. The radius follows from the area, within
    the limits of the nearer size. ``side`` is the side of the image, in units.
    """
    scale = len(coverage) / side
    area = float(coverage.sum())
    places = np.arange(len(coverage), dtype=np.float32) + np.float32(0.5)
    x, y = float(coverage.sum(axis=0) @ places) / area, float(coverage.sum(axis=1) @ places) / area
    reach = scale * RADII["large"][1] + 2
    columns, rows = (slice(max(round(centre - reach), 0), round(centre + reach)) for centre in (x, y))
    right, down = places[columns] - np.float32(x), places[rows, None] - np.float32(y)
    along: Plane = COSINE * right + SINE * down  # "rotation height width"
    across: Plane = COSINE * down - SINE * right
    window = coverage[rows, columns]
    inside, everything = (float(np.square(covered).sum()) for covered in (window, coverage))
    fits = []
    for shape, distance in DISTANCES.items():
        size, radius = _radius(sqrt(area / AREAS[shape]) / scale)
        pixels = radius * scale
        template = np.clip(0.5 - distance(along / pixels, across / pixels) * (pixels / EDGE), 0, 1)
        differences = np.square(template - window).sum(axis=(1, 2))
        best = int(differences.argmin())
        explained = (inside - float(differences[best])) / everything
        fits.append(Fit(shape, size, x / scale, y / scale, radius, int(DEGREES[best]), explained))
    return max(fits, key=lambda fit: fit.explained)


def _radius(radius: float) -> tuple[Size, float]:
    """Return the nearer size and the nearest of its radii."""
    size = SIZES[radius > MIDDLE]
    least, most = RADII[size]
    return size, min(max(radius, least), most)
