"""Captions: from descriptions and relations to text, and back.

    caption:  group [relation group [and relation group]]
    group:    number size colour noun            a large red circle, two small blue squares
    relation: left of | right of | above | below

The subject of both relations is the first group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, SHAPES, SIZES, Colour, Description, Shape, Size
from regard.data.corpora.shapes.scene import MOST_GROUPS, RELATIONS, Relation

NUMBER_WORDS = dict(zip(NUMBERS, ("a", "two", "three", "four"), strict=True))
PLURALS: dict[Shape, str] = {shape: f"{shape}es" if shape == "cross" else f"{shape}s" for shape in SHAPES}
_NUMBER_OF = {word: number for number, word in NUMBER_WORDS.items()}
_SHAPE_OF = {noun: shape for shape in SHAPES for noun in (shape, PLURALS[shape])}

WORD_KINDS: dict[str, str] = {
    **dict.fromkeys(_NUMBER_OF, "number"),
    **dict.fromkeys(map(str, SIZES), "size"),
    **dict.fromkeys(map(str, COLOURS), "colour"),
    **dict.fromkeys(_SHAPE_OF, "shape"),
    **dict.fromkeys(" ".join(RELATIONS).split(), "relation"),
    "and": "and",
}
"""What each word of a caption is about."""


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)


_PHRASE = re.compile(
    rf"(?<!\S)(?:(?P<relation>{_any_of(RELATIONS)})\s+)?(?P<number>{_any_of(list(_NUMBER_OF))})\s+"
    rf"(?P<size>{_any_of(SIZES)})\s+(?P<colour>{_any_of(COLOURS)})\s+(?P<noun>{_any_of(list(_SHAPE_OF))})(?!\S)"
)


class Phrase(NamedTuple):
    """A group in a caption: description, the relation word before it, spans (start, end) of colour and noun."""

    description: Description
    relation: Relation | None
    colour_span: tuple[int, int]
    noun_span: tuple[int, int]


def describe(descriptions: Sequence[Description], relations: Sequence[Relation]) -> str:
    """Return the caption of groups and of the relations of the first group to the others."""
    first, *others = map(_describe_group, descriptions)
    related = [f"{relation} {other}" for relation, other in zip(relations, others, strict=True)]
    return " ".join([first, " and ".join(related)]) if related else first


def parse(caption: str) -> tuple[tuple[Description, ...], tuple[Relation, ...]] | None:
    """Return the descriptions and relations from which `describe` makes this caption, or None.

    Spaces may be repeated.
    """
    phrases = read_phrases(caption)
    descriptions = tuple(phrase.description for phrase in phrases)
    relations = tuple(phrase.relation for phrase in phrases[1:] if phrase.relation)
    if not 1 <= len(phrases) <= MOST_GROUPS or len(relations) < len(phrases) - 1:
        return None
    return (descriptions, relations) if describe(descriptions, relations) == " ".join(caption.split()) else None


def read_phrases(caption: str) -> list[Phrase]:
    """Return the complete group phrases of any text, in order, also if the text as a whole is not a caption.

    The form of the noun (singular or plural) may disagree with the number. A relation counts if it directly precedes
    the phrase.
    """
    phrases = []
    for found in _PHRASE.finditer(caption):
        description = Description(
            _NUMBER_OF[found["number"]],
            cast(Size, found["size"]),
            cast(Colour, found["colour"]),
            _SHAPE_OF[found["noun"]],
        )
        relation = cast(Relation, " ".join(found["relation"].split())) if found["relation"] else None
        phrases.append(Phrase(description, relation, found.span("colour"), found.span("noun")))
    return phrases


def _describe_group(description: Description) -> str:
    number, size, colour, shape = description
    return f"{NUMBER_WORDS[number]} {size} {colour} {shape if number == 1 else PLURALS[shape]}"
