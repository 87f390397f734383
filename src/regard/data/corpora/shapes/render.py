"""Images and masks of scenes.

A shape is given by the signed distance to its edge, negative inside, and the coverage of a pixel is approximated from
the distance of its centre (https://iquilezles.org/articles/distfunctions2d).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, cos, floor, hypot, pi, radians, sin, sqrt

import numpy as np
import numpy.typing as npt

from regard.data.corpora.shapes.combinations import Shape
from regard.data.corpora.shapes.scene import SIDE, Group, Object, Scene

Plane = npt.NDArray[np.float32]


def circle(x: Plane, y: Plane) -> Plane:
    """Smaller than the enclosing circle, since no shape has a larger area for its radius."""
    return np.hypot(x, y) - np.float32(0.9)


def square(x: Plane, y: Plane) -> Plane:
    """With horizontal and vertical sides."""
    return np.maximum(np.abs(x), np.abs(y)) - np.float32(sqrt(0.5))


def triangle(x: Plane, y: Plane) -> Plane:
    """Equilateral, with a tip at the top."""
    return np.maximum(y, (np.float32(sqrt(3)) * np.abs(x) - y) / 2) - np.float32(0.5)


def star(x: Plane, y: Plane) -> Plane:
    """Five tips, one at the top. By symmetry, one edge from a tip to a notch is enough."""
    distance, angle = np.hypot(x, y), np.arctan2(x, -y)
    folded = np.abs((angle + np.float32(pi / 5)) % np.float32(2 * pi / 5) - np.float32(pi / 5))
    run, rise = 0.45 * sin(pi / 5), 1 - 0.45 * cos(pi / 5)  # from the notch to the tip
    across, along = (np.float32(length / hypot(run, rise)) for length in (rise, run))
    return distance * (across * np.sin(folded) + along * np.cos(folded)) - along


def cross(x: Plane, y: Plane) -> Plane:
    """Two bars, horizontal and vertical."""
    across, along = np.abs(x), np.abs(y)
    half_width, half_length = np.float32(0.33), np.float32(sqrt(1 - 0.33**2))
    return np.maximum(np.maximum(across, along) - half_length, np.minimum(across, along) - half_width)


def diamond(x: Plane, y: Plane) -> Plane:
    """Higher than wide."""
    half_width = np.float32(0.6)
    return (np.abs(x) + half_width * (np.abs(y) - 1)) / np.float32(hypot(1, 0.6))


DISTANCES: dict[Shape, Callable[[Plane, Plane], Plane]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "cross": cross,
    "diamond": diamond,
}
"""Signed distances of points "height width" to a shape with an enclosing circle of radius 1 around (0, 0)."""


def render(scene: Scene) -> npt.NDArray[np.uint8]:
    """Return the image, RGB "height width channel"."""
    image = np.full((scene.pixels, scene.pixels, 3), scene.background, dtype=np.float32)
    for group in scene.groups:
        for each, (window, coverage) in zip(group.objects, _coverages(group, scene.pixels, scene.side), strict=True):
            image[window] += coverage[..., None] * (np.array(each.rgb, dtype=np.float32) - image[window])
    return (image + 0.5).astype(np.uint8)


def mask(group: Group, pixels: int, side: float = SIDE) -> npt.NDArray[np.bool_]:
    """Return which pixels show the objects of a group, "height width": those that they cover by half or more.

    pixels, side: the side of the image, in pixels and in units
    """
    covered = np.zeros((pixels, pixels), dtype=np.bool_)
    for window, coverage in _coverages(group, pixels, side):
        covered[window] |= coverage >= 0.5
    return covered


def _coverages(group: Group, pixels: int, side: float) -> Iterator[tuple[tuple[slice, slice], Plane]]:
    """Yield for each object a window of the image, and the covered share of its pixels."""
    distance = DISTANCES[group.shape]
    for each in group.objects:
        yield _coverage(each, distance, pixels, side)


def _coverage(
    each: Object, distance: Callable[[Plane, Plane], Plane], pixels: int, side: float
) -> tuple[tuple[slice, slice], Plane]:
    scale = pixels / side
    radius = each.radius * scale
    columns, rows = (
        slice(max(floor(centre * scale - radius - 1), 0), min(ceil(centre * scale + radius + 1), pixels))
        for centre in (each.x, each.y)
    )
    right = (np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - each.x * scale)) / radius
    down = (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5 - each.y * scale)) / radius
    sine, cosine = sin(radians(each.rotation)), cos(radians(each.rotation))
    inside = distance(cosine * right + sine * down, cosine * down - sine * right)
    return (rows, columns), np.clip(0.5 - inside * radius, 0, 1)
