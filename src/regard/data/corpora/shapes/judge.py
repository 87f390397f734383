"""Which parts of a caption are true of a scene, and which pixels its words refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from regard.data.corpora.shapes.grammar import Phrase, parse, read_phrases
from regard.data.corpora.shapes.render import mask
from regard.data.corpora.shapes.scene import MOST_GROUPS, Scene, holds

Matches = Sequence[Phrase | None]
"""The phrase that describes each group of a scene, or None."""


class Judgement(NamedTuple):
    """A caption compared with a scene, or a picture with a prompt.

    ``exact``: the caption describes the scene exactly. ``correct``: per attribute "number", "size", "colour", "shape"
    and "relation", of a picture also "binding", how often it is correct, and how often it occurs.
    """

    exact: bool
    correct: dict[str, tuple[int, int]]


class Mention(NamedTuple):
    """A word that is correct: ``caption[start:end]``, its kind, and the pixels of the objects ("height width")."""

    start: int
    end: int
    kind: Literal["colour", "shape"]
    mask: npt.NDArray[np.bool_]


def judge_caption(scene: Scene, caption: str) -> Judgement:
    """Compare a caption with a scene.

    A caption is exact if it follows the grammar, describes every group once and no other, and each of its relations
    `holds`. The order of the groups is free: "A left of B" and "B right of A" are both exact.

    The attributes are counted over the groups of the scene, each matched with a different phrase of the caption such
    that most attributes are correct. A group without a phrase counts as wrong. Incomplete phrases, and those after the
    third, do not count. Of n groups, n - 1 relations are counted: of the first phrase to the others, between the
    matched groups.
    """
    phrases = read_phrases(caption)[:MOST_GROUPS]
    matches = best_matches(scene, phrases)
    total = len(scene.groups)
    correct = {
        attribute: (sum(agree[attribute] for agree in _agreements(scene, matches)), total)
        for attribute in ("number", "size", "colour", "shape")
    }
    correct["relation"] = (true_relations(scene, phrases, matches), total - 1)
    parsed = parse(caption)
    same_length = parsed is not None and len(parsed[0]) == total
    return Judgement(same_length and all(count == of for count, of in correct.values()), correct)


def find_mentions(scene: Scene, caption: str) -> list[Mention]:
    """Return the colour words and nouns that are correct for the group that `judge_caption` matches them with.

    They are in the order of the caption.
    """
    mentions = []
    matches = best_matches(scene, read_phrases(caption)[:MOST_GROUPS])
    for group, phrase in zip(scene.groups, matches, strict=True):
        if phrase is None:
            continue
        pixels = mask(group, scene.pixels, scene.side)
        if phrase.description.colour == group.colour:
            mentions.append(Mention(*phrase.colour_span, "colour", pixels))
        if phrase.description.shape == group.shape:
            mentions.append(Mention(*phrase.noun_span, "shape", pixels))
    return sorted(mentions, key=lambda mention: mention.start)


def best_matches(scene: Scene, phrases: list[Phrase]) -> Matches:
    """Match each group with a different phrase: most correct attributes first, then most true relations."""
    total = len(scene.groups)

    def correct(matches: Matches) -> tuple[int, int]:
        attributes = sum(sum(agree.values()) for agree in _agreements(scene, matches))
        return attributes, true_relations(scene, phrases, matches)

    return max(_matches(phrases, total), key=correct)


def _matches(phrases: list[Phrase], total: int) -> Iterator[Matches]:
    """Yield every way to match as many of ``total`` groups as possible with different phrases."""
    if total <= len(phrases):
        yield from permutations(phrases, total)
        return
    # Not all permutations of phrases and None: a picture can have many groups.
    rows = (
        [places.index(group) if group in places else len(phrases) for group in range(total)]
        for places in permutations(range(total), len(phrases))
    )
    for row in sorted(rows):
        yield [[*phrases, None][index] for index in row]


def _agreements(scene: Scene, matches: Matches) -> list[dict[str, bool]]:
    """Return for each group which attributes of its phrase are correct."""
    return [
        {
            name: phrase is not None and getattr(phrase.description, name) == value
            for name, value in group.description._asdict().items()
        }
        for group, phrase in zip(scene.groups, matches, strict=True)
    ]


def true_relations(scene: Scene, phrases: list[Phrase], matches: Matches) -> int:
    """Return the number of true relations between the first phrase and another one, both matched."""
    group_of = {phrase: group for phrase, group in zip(matches, scene.groups, strict=True) if phrase is not None}
    if not phrases or phrases[0] not in group_of:
        return 0
    first = group_of[phrases[0]]
    return sum(
        phrase.relation is not None and phrase in group_of and holds(first, phrase.relation, group_of[phrase])
        for phrase in phrases[1:]
    )
