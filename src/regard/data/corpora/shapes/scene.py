"""Scenes: groups of equal objects in a square image, and their form as one line of JSON.

Lengths are in units: 1/48 of the side of an image, or more if its `Scene.side` is smaller. x grows to the right and y
grows downwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, SHAPES, SIZES, Colour, Description, Shape, Size
from regard.errors import RegardError, one_line

Relation = Literal["left of", "right of", "above", "below"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
OPPOSITE: dict[Relation, Relation] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

SIDE = 48.0
"""Largest side of the image, in units."""
SMALLEST_SIDE = 24.0
MOST_GROUPS = 3
PIXELS = range(16, 513)
"""Possible sides of the image, in pixels."""
CHANNEL = range(256)
DEGREES = range(-180, 181)
Word = TypeVar("Word", bound=str)


class Object(NamedTuple):
    """Centre and radius of the enclosing circle in units, clockwise rotation in degrees, and RGB colour (0 to 255)."""

    x: float
    y: float
    radius: float
    rotation: int
    rgb: tuple[int, int, int]


class Group(NamedTuple):
    """Objects of one size, colour and shape."""

    size: Size
    colour: Colour
    shape: Shape
    objects: tuple[Object, ...]

    @property
    def description(self) -> Description:
        """What a caption says about the group."""
        return Description(len(self.objects), self.size, self.colour, self.shape)


class Scene(NamedTuple):
    """An image: side in pixels, grey level of the background (0 to 255), groups in the order of the caption.

    ``relations`` has one item for each group after the first: what the caption says about the first group relative to
    that group. ``side`` is the side of the image in units.
    """

    pixels: int
    background: int
    groups: tuple[Group, ...]
    relations: tuple[Relation, ...]
    side: float = SIDE


def holds(first: Group, relation: Relation, second: Group) -> bool:
    """Return whether every object of ``first`` is entirely left of (right of, ...) every object of ``second``."""
    if relation in ("right of", "below"):
        return holds(second, OPPOSITE[relation], first)
    if relation == "left of":
        ends = [each.x + each.radius for each in first.objects]
        starts = [each.x - each.radius for each in second.objects]
    else:
        ends = [each.y + each.radius for each in first.objects]
        starts = [each.y - each.radius for each in second.objects]
    return max(ends) <= min(starts)


def write_scene(scene: Scene) -> str:
    """Return the scene as one line of JSON, its reference. It has the side only if that is not SIDE."""
    content = scene._asdict()
    if scene.side == SIDE:
        del content["side"]
    return json.dumps(content, separators=(",", ":"))


def read_scene(reference: str) -> Scene:
    """Return the scene of a reference.

    Raises:
        RegardError: the reference is malformed; says what was expected.
    """
    try:
        return _scene(json.loads(reference))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else one_line(error)
        raise RegardError(
            f"{reference[:80]!r} is not the reference of a scene ({why}); use one from the records of data=shapes"
        ) from None


def _scene(data: Any) -> Scene:
    given, side = data["groups"], data.get("side", SIDE)
    if not SMALLEST_SIDE <= side <= SIDE:  # also true for NaN
        raise ValueError(f"expected a side from {SMALLEST_SIDE:g} to {SIDE:g}")
    groups = tuple(
        Group(
            _one_of(SIZES, size),
            _one_of(COLOURS, colour),
            _one_of(SHAPES, shape),
            tuple(_object(each, side) for each in _one_to(NUMBERS[-1], objects, "objects")),
        )
        for size, colour, shape, objects in _one_to(MOST_GROUPS, given, "groups")
    )
    relations = tuple(_one_of(RELATIONS, relation) for relation in data["relations"])
    if len(relations) != len(groups) - 1:
        raise ValueError(f"expected {len(groups) - 1} relations")
    return Scene(_integer(PIXELS, data["pixels"]), _integer(CHANNEL, data["background"]), groups, relations, side)


def _object(values: Any, side: float) -> Object:
    x, y, radius, rotation, (red, green, blue) = values
    if not (0 < radius <= x <= side - radius and radius <= y <= side - radius):  # also true for NaN
        raise ValueError(f"expected an object inside the image, whose side is {side:g}")
    rgb = (_integer(CHANNEL, red), _integer(CHANNEL, green), _integer(CHANNEL, blue))
    return Object(x, y, radius, _integer(DEGREES, rotation), rgb)


def _one_to(most: int, items: Any, noun: str) -> Any:
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        raise ValueError(f"expected 1 to {most} {noun}")
    return items


def _one_of(options: Sequence[Word], value: Any) -> Word:
    if value not in options:
        raise ValueError(f"expected one of {', '.join(options)}, found {value!r}")
    return options[options.index(value)]


def _integer(options: range, value: Any) -> int:
    if type(value) is not int or value not in options:
        raise ValueError(f"expected an integer from {options[0]} to {options[-1]}, found {value!r}")
    return value
