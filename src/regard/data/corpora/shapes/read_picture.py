"""From the pixels of a picture, for example a generated one, to the scene that it shows.

A pixel at the edge of an object is a mixture of the colours of the object and of the background. The difference from
the background keeps its direction in such a mixture and only becomes shorter: the direction gives the colour of the
object, and the length the share of the pixel that it covers. (The colours themselves mislead: the edge of a red object
on a light background has nearly the colour of an orange one.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, Colour, Shape, Size
from regard.data.corpora.shapes.fit_shape import fit_shape
from regard.data.corpora.shapes.layout import AXES, RGB, centre
from regard.data.corpora.shapes.render import Plane
from regard.data.corpora.shapes.scene import MOST_GROUPS, SIDE, Group, Object, Relation, Scene
from regard.data.corpora.shapes.spots import grow_spots, label_spots

CONTRAST = 210  # of every colour: the largest difference of a channel from the background
COVERED = 0.55  # share of a pixel from which it is part of a spot; lower, and neighbouring objects are one spot
SPECK = 4.0  # in square units; smaller spots are ignored. The smallest object has 10.8, of which up to half is edge
EDGE = 3  # pixels around a spot that are part of its object
MOST_OBJECTS = MOST_GROUPS * NUMBERS[-1]
EXPLAINED = 0.7  # share of a spot below which it is no object


class Reading(NamedTuple):
    """The scene that a picture shows, and whether every spot of the picture is one of its objects.

    Unlike other scenes, it has any number of groups, also none, and up to 12 objects in any of them. Each relation is
    that of the centres of the groups.
    """

    scene: Scene
    complete: bool


def read_picture(pixels: npt.NDArray[np.uint8], side: float = SIDE) -> Reading:
    """Return what a square picture shows, RGB "height width channel".

    Every spot that has roughly the form of a shape is an object. It gets the nearest colour, shape and size, and
    objects that agree in them are a group. A picture with more spots than a scene has objects shows no scene: it has
    no group. ``side`` is the side of the picture, in units.
    """
    image = pixels.astype(np.float32)
    lightness = image.min(axis=2)
    background: Plane = np.median(image[lightness >= np.median(lightness)], axis=0)
    groups: dict[tuple[Size, Colour, Shape], list[Object]] = {}
    complete = True
    for number, spot in enumerate(_spots(background - image, background, len(image) / side), start=1):
        if number > MOST_OBJECTS:
            groups, complete = {}, False
            break
        fit = fit_shape(spot.coverage, side)
        if fit.explained < EXPLAINED:
            complete = False
            continue
        each = Object(fit.x, fit.y, fit.radius, fit.rotation, spot.rgb)
        groups.setdefault((fit.size, spot.colour, fit.shape), []).append(each)
    found = tuple(Group(*kind, tuple(objects)) for kind, objects in groups.items())
    relations = tuple(_relation(found[0], other) for other in found[1:])
    return Reading(Scene(len(image), round(float(background.mean())), found, relations), complete)


class _Spot(NamedTuple):
    """A connected region: its colour, and the share of each pixel that it covers, "height width"."""

    colour: Colour
    rgb: tuple[int, int, int]
    coverage: Plane


def _spots(difference: Plane, background: Plane, scale: float) -> Iterator[_Spot]:
    """Yield the spots of a picture, given by its difference from the background, "height width channel".

    ``scale`` is the number of pixels of a unit.
    """
    palette = background - np.array([RGB[colour] for colour in COLOURS], dtype=np.float32)
    labels = label_spots(difference.max(axis=2) >= COVERED * CONTRAST)
    areas = np.bincount(labels.reshape(-1))
    labels = np.where(areas[labels] >= SPECK * scale**2, labels, np.int32(0))
    grown = labels
    for _ in range(EDGE):
        grown = grow_spots(grown)
    for label in sorted(set(labels[labels > 0].tolist()), reverse=True):
        direction = difference[labels == label].mean(axis=0)
        direction /= np.linalg.norm(direction)
        nearest = int((palette @ direction / np.linalg.norm(palette, axis=1)).argmax())
        contrast = palette[nearest] @ direction
        coverage = np.where(grown == label, np.clip(difference @ direction / contrast, 0, 1), np.float32(0))
        red, green, blue = (round(float(channel)) for channel in np.clip(background - contrast * direction, 0, 255))
        yield _Spot(COLOURS[nearest], (red, green, blue), coverage)


def _relation(first: Group, second: Group) -> Relation:
    """Return the relation of the centres along the axis on which they differ more."""
    differences = [there - here for here, there in zip(centre(first), centre(second), strict=True)]
    axis = int(abs(differences[1]) > abs(differences[0]))
    return AXES[axis][differences[axis] < 0]
