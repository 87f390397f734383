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
from regard.data.corpora.shapes.spots import find_background, find_spots

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
    in them are a group. A picture with more spots than a scene has objects shows no scene: it has no group.
    """
    image = pixels.astype(np.float32)
    background = find_background(image)
    spots = list(islice(find_spots(image, background, len(image) / side), MOST_OBJECTS + 1))
    shown = spots if len(spots) <= MOST_OBJECTS else []
    fits = [fit_shape(spot.coverage, side) for spot in shown]
    objects: dict[tuple[Size, Colour, Shape], list[Object]] = {}
    for spot, fit in zip(shown, fits, strict=True):
        each = Object(fit.x, fit.y, fit.radius, fit.rotation, spot.rgb)
        objects.setdefault((fit.size, spot.colour, fit.shape), []).append(each)
    groups = tuple(Group(*kind, tuple(group)) for kind, group in objects.items())
    relations = tuple(_relation(groups[0], other) for other in groups[1:])
    clear = len(shown) == len(spots) and all(
        spot.uniform >= UNIFORM and fit.explained >= EXPLAINED for spot, fit in zip(shown, fits, strict=True)
    )
    return Reading(Scene(len(image), round(float(background.mean())), groups, relations, side), clear)


def _relation(first: Group, second: Group) -> Relation:
    """Return the relation of the centres along the axis on which they differ more."""
    differences = [there - here for here, there in zip(centre(first), centre(second), strict=True)]
    axis = int(abs(differences[1]) > abs(differences[0]))
    return AXES[axis][differences[axis] < 0]
