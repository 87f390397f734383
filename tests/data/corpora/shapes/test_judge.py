"""Captions: written and read back; judged against scenes; words located."""

from __future__ import annotations

import numpy as np
import pytest

from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, SHAPES, SIZES, Description
from regard.data.corpora.shapes.grammar import describe, parse, read_phrases
from regard.data.corpora.shapes.judge import Judgement, find_mentions, judge_caption
from regard.data.corpora.shapes.render import mask
from regard.data.corpora.shapes.scene import OPPOSITE, RELATIONS, Group, Scene, holds, read_scene
from regard.data.corpora.shapes.shapes import Shapes

Facts = tuple[list[Description], list[str]]


@pytest.fixture(scope="module")
def corpus() -> Shapes:
    return Shapes(size=2000)


@pytest.fixture(scope="module")
def records(corpus: Shapes) -> list[tuple[str, str]]:
    return list(corpus.records("train"))


def facts(scene: Scene) -> Facts:
    return [group.description for group in scene.groups], list(scene.relations)


def hand_made() -> Scene:
    """Three small green stars, a large blue circle below them and a small yellow cross right of them."""
    star, circle, cross = (
        [[x, y, 3, 0, [9, 9, 9]] for x, y in places] for places in ([(5, 5), (12, 5), (5, 12)], [(9, 40)], [(40, 9)])
    )
    text = {
        "pixels": 48,
        "background": 240,
        "groups": [
            ["small", "green", "star", star],
            ["large", "blue", "circle", circle],
            ["small", "yellow", "cross", cross],
        ],
        "relations": ["above", "left of"],
    }
    return read_scene(str(text).replace("'", '"'))


STARS, CIRCLE, CROSS = "three small green stars", "a large blue circle", "a small yellow cross"


def test_the_caption_of_a_scene_is_natural() -> None:
    scene = hand_made()
    assert describe(*facts(scene)) == f"{STARS} above {CIRCLE} and left of {CROSS}"
    assert describe(*facts(scene._replace(groups=scene.groups[:1], relations=()))) == STARS


def test_every_caption_is_read_back(records: list[tuple[str, str]]) -> None:
    words = set()
    for reference, caption in records:
        assert parse(caption) == tuple(map(tuple, facts(read_scene(reference))))
        words |= set(caption.split())
    assert words == set("a two three four".split()) | {*SIZES, *COLOURS, *SHAPES} | {
        *("circles squares triangles stars crosses diamonds".split()), *("left right of above below and".split())
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "red", "above", "large red circle", "a large red", "a large red circles", "two large red circle",
        "a red large circle", "five large red circles", "a large red circle.", "xa large red circle",
        "a large red circle above", "above a large red circle", "a large red circle a small blue star",
        "a large red circle and a small blue star", "a large red circle left a small blue star",
        "a large red circle above a small blue star below a small red star",
        "a large red circle above a small blue star and and below a small red star",
        "a large red circle above a small blue star and below a small red star and left of a large blue cross",
    ],
)  # fmt: skip
def test_other_text_is_not_a_caption(text: str) -> None:
    assert parse(text) is None


def test_phrases_of_other_text_are_read() -> None:
    first, second = read_phrases("I see two large red circle left  of a small blue stars , a tiny red star")
    assert first.description == Description(2, "large", "red", "circle")
    assert (second.description, second.relation) == (Description(1, "small", "blue", "star"), "left of")


def test_the_caption_of_a_scene_is_exact(records: list[tuple[str, str]]) -> None:
    for reference, caption in records:
        scene = read_scene(reference)
        total = len(scene.groups)
        everything = dict.fromkeys(("number", "size", "colour", "shape"), (total, total))
        assert judge_caption(scene, caption) == Judgement(True, everything | {"relation": (total - 1, total - 1)})


def test_true_paraphrases_are_exact(records: list[tuple[str, str]]) -> None:
    for reference, _ in records:
        scene = read_scene(reference)
        descriptions, relations = facts(scene)
        if len(descriptions) == 2:
            assert judge_caption(scene, describe(descriptions[::-1], [OPPOSITE[relations[0]]])).exact
        if len(descriptions) == 3:
            swapped = [descriptions[0], *descriptions[:0:-1]]
            assert judge_caption(scene, describe(swapped, relations[::-1])).exact
    assert judge_caption(hand_made(), f"{CIRCLE} below {STARS} and left of {CROSS}").exact, "another group first"


def test_every_single_change_is_wrong(records: list[tuple[str, str]]) -> None:
    options = {"number": NUMBERS, "size": SIZES, "colour": COLOURS, "shape": SHAPES}
    for seed, (reference, _) in enumerate(records):
        scene = read_scene(reference)
        descriptions, relations = facts(scene)
        total, changed = len(descriptions), seed % len(descriptions)
        for attribute, values in options.items():
            other = values[(values.index(getattr(descriptions[changed], attribute)) + 1) % len(values)]
            wrong = list(descriptions)
            wrong[changed] = wrong[changed]._replace(**{attribute: other})
            exact, correct = judge_caption(scene, describe(wrong, relations))
            assert not exact
            assert sum(of - right for right, of in correct.values()) == 1
            assert correct[attribute] == (total - 1, total)


def test_every_false_relation_is_wrong(records: list[tuple[str, str]]) -> None:
    false = 0
    for reference, _ in records:
        scene = read_scene(reference)
        descriptions, relations = facts(scene)
        for index, stated in enumerate(relations):
            for relation in set(RELATIONS) - {stated}:
                text = describe(descriptions, [*relations[:index], relation, *relations[index + 1 :]])
                exact, correct = judge_caption(scene, text)
                is_true = separated(scene, 0, relation, index + 1)
                assert not (is_true and relation == OPPOSITE[stated])
                assert exact == is_true
                assert correct["relation"] == (len(relations) - (not is_true), len(relations))
                false += not is_true
    assert false > 4000


def separated(scene: Scene, first: int, relation: str, second: int) -> bool:
    """Whether the relation is true of the enclosing circles, by another formula than `holds`."""
    axis, sign = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}[relation]
    return all(
        sign * (b[axis] - a[axis]) >= a.radius + b.radius
        for a in scene.groups[first].objects
        for b in scene.groups[second].objects
    )


def test_a_missing_or_additional_group_is_wrong(records: list[tuple[str, str]]) -> None:
    for reference, caption in records:
        scene = read_scene(reference)
        descriptions, relations = facts(scene)
        for missing in range(1, len(descriptions)):
            text = describe(
                [*descriptions[:missing], *descriptions[missing + 1 :]],
                [*relations[: missing - 1], *relations[missing:]],
            )
            exact, correct = judge_caption(scene, text)
            assert not exact
            assert all(of - right == 1 for right, of in correct.values())
        more = f"{caption} {'and ' if relations else ''}left of a large red cross"
        assert not judge_caption(scene, more).exact


def test_relations_between_wrongly_described_groups_count() -> None:
    exact, correct = judge_caption(hand_made(), f"two small green stars above {CIRCLE} and right of {CROSS}")
    assert not exact
    assert correct == {"number": (2, 3), "size": (3, 3), "colour": (3, 3), "shape": (3, 3), "relation": (1, 2)}


@pytest.mark.parametrize("text", ["", "left of", "a large", "\n", "a " * 1000, f"{CIRCLE} " * 200])
def test_any_text_can_be_judged(text: str) -> None:
    exact, correct = judge_caption(hand_made(), text)
    assert not exact
    assert correct["shape"] == (1 if "circle" in text else 0, 3)
    assert correct["relation"] == (0, 2)
    assert len(find_mentions(hand_made(), text)) == 2 * ("circle" in text)


def test_equal_groups_are_matched_by_their_relations() -> None:
    scene = hand_made()
    star = scene.groups[0]
    shifted = star._replace(objects=tuple(each._replace(x=each.x + 20, y=each.y + 20) for each in star.objects))
    twice = scene._replace(groups=(star, shifted), relations=("left of",))
    for relation in RELATIONS:
        assert judge_caption(twice, f"{STARS} {relation} {STARS}").exact, "one is left of and above the other"
    assert not judge_caption(twice, STARS).exact


def test_mentions_are_the_words_with_the_masks_of_their_groups(corpus: Shapes, records: list[tuple[str, str]]) -> None:
    for reference, caption in records[:300]:
        scene = read_scene(reference)
        expected = [
            (word, kind, group)
            for group in scene.groups
            for word, kind in ((group.colour, "colour"), (group.shape, "shape"))
        ]
        mentions = corpus.mentions(reference, caption)
        assert [mention.kind for mention in mentions] == [kind for _, kind, _ in expected]
        for mention, (word, _, group) in zip(mentions, expected, strict=True):
            found = caption[mention.start : mention.end]
            assert found in (word, f"{word}s", f"{word}es")
            assert f" {found} " in f" {caption} "
            assert (mention.mask == mask(group, scene.pixels)).all()
            assert mention.mask.any()


def test_wrong_words_are_not_mentions() -> None:
    scene = hand_made()
    text = f"two small green squares left of {CROSS} and above a small red circle"
    mentions = find_mentions(scene, text)
    assert [text[start:end] for start, end, _, _ in mentions] == ["green", "yellow", "cross", "circle"]
    stars, circle, cross = (mask(group, 48) for group in scene.groups)
    for mention, expected in zip(mentions, (stars, cross, cross, circle), strict=True):
        assert np.array_equal(mention.mask, expected)


def test_relations_need_every_object_on_the_side() -> None:
    stars, circle, _ = hand_made().groups
    assert holds(stars, "above", circle)
    assert not holds(stars, "left of", circle)
    beside: Group = circle._replace(objects=(circle.objects[0]._replace(x=40), circle.objects[0]._replace(x=10)))
    assert not holds(stars, "left of", beside)
    assert holds(stars, "left of", beside._replace(objects=beside.objects[:1]))
