"""From the pixels of a picture, for example a generated one, to the scene that it shows."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from regard.data.corpora.shapes.combinations import NUMBERS, Colour, Shape, Size
from regard.data.corpora.shapes.fit_shape import fit_shape
from regard.data.corpora.shapes.layout import AXES, centre
from regard.data.corpora.shapes.scene import MOST_GROUPS, SIDE, Group, Object, Relation, Scene
from regard.data.corpora.shapes.spots import Spot, find_background, find_spots

LIGHT = 200  # every channel of a background; those of scenes have 226 to 250
MOST_OBJECTS = MOST_GROUPS * NUMBERS[-1]
UNIFORM = 2 / 3  # share of the pixels of a spot that must have its colour
EXPLAINED = 0.7  # share of the coverage of a spot that its shape must explain


class Reading(NamedTuple):
    """The scene that a picture shows, and whether all its spots are clearly objects: of one colour, and of a shape.

    Unlike other scenes, it has any number of groups, also none, and up to 12 objects in any of them. Each relation is
    that of the centres of the groups.
    """

    scene: Scene
    clear: bool


def read_picture(pixels: npt.NDArray[np.uint8], side: float = SIDE) -> Reading:
    """Return what a square picture shows, RGB "height width channel". ``side`` is its side in units.

    Every spot is an object with the nearest colour, shape and size, also if it is not clearly one. Objects that agree
    in them are a group. A picture with more spots than a scene has objects, or with a background that is not light,
    shows no scene: it has no group. A small object needs a radius of two pixels or more to be read reliably.
    """
    image = pixels.astype(np.float32)
    background = find_background(image)
    spots: list[Spot] = []
    clear = bool(background.min() >= LIGHT)
    if clear:
        spots = list(islice(find_spots(image, background, len(image) / side), MOST_OBJECTS + 1))
    if len(spots) > MOST_OBJECTS:
        spots, clear = [], False
    objects: dict[tuple[Size, Colour, Shape], list[Object]] = {}
    for spot in spots:
        fit = fit_shape(spot.coverage, side)
        each = Object(fit.x, fit.y, fit.radius, fit.rotation, spot.rgb)
        objects.setdefault((fit.size, spot.colour, fit.shape), []).append(each)
        clear = clear and spot.uniform >= UNIFORM and fit.explained >= EXPLAINED
    groups = tuple(Group(*kind, tuple(group)) for kind, group in objects.items())
    relations = tuple(_relation(groups[0], other) for other in groups[1:])
    return Reading(Scene(len(image), round(float(background.mean())), groups, relations, side), clear)


def _relation(first: Group, second: Group) -> Relation:
    """Return the relation of the centres along the axis on which they differ more."""
    differences = [there - here for here, there in zip(centre(first), centre(second), strict=True)]
    axis = int(abs(differences[1]) > abs(differences[0]))
    return AXES[axis][differences[axis] < 0]
