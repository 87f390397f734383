"""Random scenes in which the objects do not overlap and the relations are clearly true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from statistics import fmean

from regard.data.corpora.shapes.combinations import Colour, Description, Size
from regard.data.corpora.shapes.scene import OPPOSITE, SIDE, Group, Object, Relation, Scene

RGB: dict[Colour, tuple[int, int, int]] = {
    "red": (212, 28, 40),
    "orange": (250, 130, 15),
    "yellow": (238, 212, 20),
    "green": (30, 150, 50),
    "blue": (35, 80, 215),
    "purple": (140, 40, 165),
}
RGB_JITTER = 12
BACKGROUNDS = (226, 250)
ROTATION = 12  # degrees to either side: a square never looks like a diamond
RADII: dict[Size, tuple[float, float]] = {"small": (3.0, 3.3), "large": (5.0, 5.25)}
# The objects of a group are in slots: the squares of a two by two grid. A slot leaves space around its object.
SLOTS: dict[Size, float] = {"small": 8.5, "large": 11.5}
SPACE = 0.5  # between an object and the side of its slot
GAP = 2.0  # between the halves of the image; a half has two large slots
NARROW_GAP = 1.0  # the same if a group has one object
CLEARLY = 1.5  # two groups are at least this many times further apart along the axis of their relation than across it
AXES: tuple[tuple[Relation, Relation], ...] = (("left of", "right of"), ("above", "below"))


def draw_scene(random: Random, descriptions: Sequence[Description], pixels: int, side: float = SIDE) -> Scene:
    """Draw a scene with these groups in this order.

    A ``side`` below SIDE has space for one object in each group, which is then in one slot instead of one of four.

    The first of two groups is in one half of the image and the second in the other. The first of three groups is in a
    quadrant, one of the others beside it and one above or below it.
    """
    while True:
        axes = random.sample(AXES, len(descriptions) - 1)
        relations = tuple(random.choice(axis) for axis in axes)
        places = [relations, *(_replaced(relations, index) for index in range(len(relations)))]
        groups = tuple(_draw_group(random, *each, side) for each in zip(descriptions, places, strict=True))
        if all(_is_clear(groups[0], *each) for each in zip(relations, groups[1:], strict=True)):
            return Scene(pixels, random.randint(*BACKGROUNDS), groups, relations, side)


def _replaced(relations: tuple[Relation, ...], index: int) -> tuple[Relation, ...]:
    """Return the relations with one replaced by its opposite."""
    return (*relations[:index], OPPOSITE[relations[index]], *relations[index + 1 :])


def _draw_group(random: Random, description: Description, sides: Iterable[Relation], side: float) -> Group:
    """Draw the objects of a group in the part of the image on these sides: all of it, a half or a quadrant."""
    number, size, colour, shape = description
    slot, across = SLOTS[size], 2 if side == SIDE else 1
    half = (side - (GAP if side == SIDE else NARROW_GAP)) / 2
    left = random.uniform(
        side - half if "right of" in sides else 0, (half if "left of" in sides else side) - across * slot
    )
    top = random.uniform(side - half if "below" in sides else 0, (half if "above" in sides else side) - across * slot)
    objects = []
    for place in random.sample(range(across**2), number):
        radius = random.uniform(*RADII[size])
        free = slot / 2 - radius - SPACE
        x = left + slot * (place % across + 0.5) + random.uniform(-free, free)
        y = top + slot * (place // across + 0.5) + random.uniform(-free, free)
        rotation = 0 if shape == "circle" else random.randint(-ROTATION, ROTATION)
        red, green, blue = (
            min(max(channel + random.randint(-RGB_JITTER, RGB_JITTER), 0), 255) for channel in RGB[colour]
        )
        objects.append(Object(round(x, 2), round(y, 2), round(radius, 2), rotation, (red, green, blue)))
    return Group(size, colour, shape, tuple(objects))


def _is_clear(first: Group, relation: Relation, second: Group) -> bool:
    """Return whether the centres of the groups differ mainly along the axis of the relation."""
    one, other = centre(first), centre(second)
    horizontal, vertical = abs(one[0] - other[0]), abs(one[1] - other[1])
    if relation in ("above", "below"):
        return vertical >= CLEARLY * horizontal
    return horizontal >= CLEARLY * vertical


def centre(group: Group) -> tuple[float, float]:
    """Return the mean of the centres of the objects, in units."""
    return fmean(each.x for each in group.objects), fmean(each.y for each in group.objects)
