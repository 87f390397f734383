"""The words of the captions, and which combinations of them are held out from training.

A `Description` is a tuple (number, size, colour, shape). Of all 288, 32 have one of the four held-out colour-shape
pairs. Of the others, 32 (one in eight) are held out as tuples.
"""

from __future__ import annotations

from itertools import cycle, product
from typing import Literal, NamedTuple, get_args

Size = Literal["small", "large"]
Colour = Literal["red", "orange", "yellow", "green", "blue", "purple"]
Shape = Literal["circle", "square", "triangle", "star", "cross", "diamond"]

NUMBERS = (1, 2, 3, 4)
SIZES: tuple[Size, ...] = get_args(Size)
COLOURS: tuple[Colour, ...] = get_args(Colour)
SHAPES: tuple[Shape, ...] = get_args(Shape)

HELD_OUT_PAIRS: frozenset[tuple[Colour, Shape]] = frozenset(
    {("red", "triangle"), ("orange", "square"), ("green", "circle"), ("blue", "star")}
)
"""Colour-shape pairs that are never in training. Every colour and every shape occurs in training in other pairs."""


class Description(NamedTuple):
    """What a caption says about a group of objects."""

    number: int
    size: Size
    colour: Colour
    shape: Shape

    @property
    def pair(self) -> tuple[Colour, Shape]:
        """The colour and the shape."""
        return self.colour, self.shape


def _one_of_each_pair() -> tuple[Description, ...]:
    """Return one tuple of each other pair, such that every number and size is held out for equally many pairs."""
    pairs = (pair for pair in product(COLOURS, SHAPES) if pair not in HELD_OUT_PAIRS)
    return tuple(Description(*amount, *pair) for pair, amount in zip(pairs, cycle(product(NUMBERS, SIZES))))


ALL = tuple(Description(*values) for values in product(NUMBERS, SIZES, COLOURS, SHAPES))
WITH_HELD_OUT_PAIR = tuple(each for each in ALL if each.pair in HELD_OUT_PAIRS)
HELD_OUT_TUPLES = _one_of_each_pair()
SEEN = tuple(each for each in ALL if each not in {*WITH_HELD_OUT_PAIR, *HELD_OUT_TUPLES})
"""The tuples of the train, validation and test parts."""
