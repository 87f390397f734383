"""Pictures: read back into scenes, and judged against prompts."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import numpy.typing as npt
import pytest

from regard.data.corpora.captions.judged import JudgedPictures
from regard.data.corpora.shapes.combinations import COLOURS, NUMBERS, SHAPES, SIZES, Description
from regard.data.corpora.shapes.grammar import describe
from regard.data.corpora.shapes.judge import judge_caption
from regard.data.corpora.shapes.judge_picture import judge_picture
from regard.data.corpora.shapes.layout import RGB, draw_scene
from regard.data.corpora.shapes.read_picture import read_picture
from regard.data.corpora.shapes.render import render
from regard.data.corpora.shapes.scene import Group, Object, Scene, read_scene
from regard.data.corpora.shapes.shapes import Shapes

Picture = npt.NDArray[np.uint8]
Counts = dict[str, tuple[int, int]]
OPTIONS = {"number": NUMBERS, "size": SIZES, "colour": COLOURS, "shape": SHAPES}
PROMPT = "a large red circle left of two small blue squares and above a small green star"


def scenes(number: int, **arguments: int) -> list[tuple[Scene, str]]:
    records = Shapes(size=number, **arguments).records("train")
    return [(read_scene(reference), caption) for reference, caption in records]


def right(groups: int) -> Counts:
    """All counts of a picture in which everything is right."""
    counts = dict.fromkeys(("size", "colour", "shape", "binding"), (groups, groups))
    return {"number": (1, 1), **counts, "relation": (groups - 1, groups - 1)}


def wrong(counts: Counts) -> dict[str, int]:
    return {name: of - correct for name, (correct, of) in counts.items() if correct < of}


def noisy(picture: Picture, deviation: float) -> Picture:
    noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def blurred(picture: Picture) -> Picture:
    """A quarter of each pixel goes to its neighbours, in both directions."""
    soft = picture.astype(np.float32)
    for axis in (0, 1):
        soft = 0.75 * soft + 0.125 * (np.roll(soft, 1, axis) + np.roll(soft, -1, axis))
    return soft.astype(np.uint8)


def draw(random: Random, descriptions: list[Description], relations: tuple[str, ...]) -> Scene:
    while (scene := draw_scene(random, descriptions, 48)).relations != relations:
        pass
    return scene


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (150, {}),
        (100, {"pixels": 32}),
        (50, {"pixels": 64}),
        (100, {"most_groups": 2, "most_objects": 1}),
        (100, {"pixels": 24, "side": 24, "most_groups": 2, "most_objects": 1}),
    ],
)
def test_the_picture_of_a_scene_is_exact(number: int, arguments: dict[str, int]) -> None:
    for scene, caption in scenes(number, **arguments):
        reading = read_picture(render(scene), scene.side)
        assert judge_picture(reading, caption) == (True, right(len(scene.groups)))


def test_noise_and_soft_edges_do_not_matter() -> None:
    for scene, caption in scenes(100):
        for picture in (noisy(render(scene), 10), noisy(blurred(render(scene)), 3)):
            assert judge_picture(read_picture(picture), caption) == (True, right(len(scene.groups)))


def test_objects_are_where_they_were_drawn() -> None:
    for scene, _ in scenes(100):
        read = read_picture(render(scene)).scene
        assert abs(read.background - scene.background) <= 1
        assert Counter(group.description for group in read.groups) == Counter(
            group.description for group in scene.groups
        )
        for group in scene.groups:
            (found,) = (each for each in read.groups if each.description == group.description)
            for drawn in group.objects:
                nearest = min(found.objects, key=lambda each: abs(each.x - drawn.x) + abs(each.y - drawn.y))
                assert np.allclose(nearest[:3], drawn[:3], atol=0.3), "centre and radius"
                assert group.shape == "circle" or abs(nearest.rotation - drawn.rotation) <= 8
                assert np.allclose(nearest.rgb, drawn.rgb, atol=15)
        if len(scene.groups) == 2 and read.groups[0].description == scene.groups[0].description:
            assert read.relations == scene.relations


@pytest.mark.parametrize("colour", COLOURS)
def test_edges_do_not_change_a_colour(colour: str) -> None:
    for background in (226, 250):
        for shape in SHAPES:
            # With a radius of two pixels, nearly every pixel is at the edge.
            group = Group("small", colour, shape, (Object(20.3, 20.7, 3.1, 7, RGB[colour]),))
            (read,) = read_picture(render(Scene(32, background, (group,), ()))).scene.groups
            assert (read.colour, read.shape) == (colour, shape)


@pytest.mark.parametrize("attribute", OPTIONS)
def test_a_change_of_one_attribute_is_found(attribute: str) -> None:
    random = Random(1)
    changed = 0
    for scene, caption in scenes(100):
        descriptions = [group.description for group in scene.groups]
        place = random.randrange(len(descriptions))
        others = [each for each in OPTIONS[attribute] if each != getattr(descriptions[place], attribute)]
        descriptions[place] = descriptions[place]._replace(**{attribute: random.choice(others)})
        if len({each[1:] for each in descriptions}) == len(descriptions):
            changed += 1
            picture = render(draw(random, descriptions, scene.relations))
            exact, counts = judge_picture(read_picture(picture), caption)
            assert not exact
            assert wrong(counts) == {attribute: 1} | ({"binding": 1} if attribute in ("colour", "shape") else {})
    assert changed > 90


def test_a_change_of_one_relation_is_found() -> None:
    random = Random(1)
    changed = 0
    for scene, caption in scenes(100):
        descriptions = [group.description for group in scene.groups]
        other = draw_scene(random, descriptions, 48)
        false = judge_caption(other, caption).correct["relation"]
        if false[0] == false[1] - 1:
            changed += 1
            exact, counts = judge_picture(read_picture(render(other)), caption)
            assert not exact
            assert wrong(counts) == {"relation": 1}
    assert changed > 20


def test_the_picture_of_another_prompt_is_hardly_ever_exact() -> None:
    records = scenes(150)
    pictures = [read_picture(render(scene)) for scene, _ in records]
    captions = [caption for _, caption in records]
    assert sum(judge_picture(*each).exact for each in zip(pictures, captions[1:], strict=False)) <= 2


def test_swapped_colours_are_a_wrong_binding() -> None:
    picture = render(
        draw(
            Random(1), [Description(1, "small", "blue", "circle"), Description(1, "small", "red", "cross")], ("above",)
        )
    )
    exact, counts = judge_picture(read_picture(picture), "a small red circle above a small blue cross")
    assert not exact
    assert wrong(counts) == {"binding": 2}


def test_additional_objects_are_wrong() -> None:
    shown = [Description(2, "small", "blue", "circle"), Description(1, "small", "red", "cross")]
    reading = read_picture(render(draw(Random(1), shown, ("above",))))
    assert wrong(judge_picture(reading, "two small blue circles").correct) == {
        **dict.fromkeys(("number", "colour", "shape", "binding"), 1)
    }
    assert wrong(judge_picture(reading, "a small blue circle above a small red cross").correct) == {"number": 1}
    assert not judge_picture(reading, "two small blue circles").exact


def spot(rows: slice, columns: slice, rgb: tuple[int, int, int] = RGB["red"]) -> Picture:
    picture = np.full((48, 48, 3), 240, dtype=np.uint8)
    picture[rows, columns] = rgb
    return picture


def grid(number: int) -> Picture:
    """Small objects of which no two agree in colour and shape."""
    kinds = [(colour, shape) for shape in SHAPES for colour in COLOURS]
    groups = tuple(
        Group("small", *kind, (Object(5 + 9 * (place % 5), 5 + 9 * (place // 5), 3, 0, RGB[kind[0]]),))
        for place, kind in enumerate(kinds[:number])
    )
    return render(Scene(48, 240, groups, ()))


@pytest.mark.parametrize(
    ("picture", "objects"),
    [
        (np.full((48, 48, 3), 255, np.uint8), 0),
        (np.zeros((48, 48, 3), np.uint8), 0),
        (np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8), 0),
        (np.linspace(0, 255, 48 * 48 * 3).reshape(48, 48, 3).astype(np.uint8), 0),
        (spot(slice(20, 21), slice(20, 21)), 0),
        (spot(slice(0, 20), slice(0, 20)), 1),
        (spot(slice(10, 14), slice(0, 48)), 1),
        (255 - spot(slice(0, 20), slice(0, 20)), 0),
        *((spot(slice(None), slice(None), rgb), 0) for rgb in RGB.values()),
        (grid(4), 4),
        (grid(12), 12),
        (grid(13), 0),
    ],
)
def test_any_picture_can_be_judged(picture: Picture, objects: int) -> None:
    reading = read_picture(picture)
    assert sum(len(group.objects) for group in reading.scene.groups) == objects
    for prompt in (PROMPT, "a large red square"):
        exact, counts = judge_picture(reading, prompt)
        assert not exact
        assert {name: of for name, (_, of) in counts.items()} == {
            name: of for name, (_, of) in right(len(prompt.split(" and ")) * 2 - 1).items()
        }
        assert objects or not any(correct for correct, _ in counts.values())
    assert Shapes().picture_mentions(picture, PROMPT) is not None


def test_a_spot_that_is_not_clearly_an_object_is_not_exact() -> None:
    square = spot(slice(16, 23), slice(16, 23))
    assert judge_picture(read_picture(square), "a large red square").exact
    two_colours = square.copy()
    two_colours[16:23, 20:23] = RGB["purple"]
    long = spot(slice(16, 23), slice(10, 30))
    grey = spot(slice(16, 23), slice(16, 23), (90, 90, 90))
    for picture in (two_colours, long, grey):
        reading = read_picture(picture)
        assert sum(len(group.objects) for group in reading.scene.groups) == 1
        assert not reading.clear
        assert not any(
            judge_picture(reading, describe([group.description], [])).exact for group in reading.scene.groups
        )


@pytest.mark.parametrize(
    "prompt",
    ["", "a red circle", "A large red circle", f"{PROMPT} and below a small red star",
     "a small red star above two small red stars"],
)  # fmt: skip
def test_other_prompts_are_not_judged(prompt: str) -> None:
    assert judge_picture(read_picture(grid(2)), prompt) is None


def test_mentions_are_the_correct_words_with_the_pixels_of_their_objects() -> None:
    corpus = Shapes(size=100)
    assert isinstance(corpus, JudgedPictures)
    for reference, caption in corpus.records("train"):
        picture = corpus.read_image(reference)
        assert corpus.judge_picture(picture, caption).exact
        expected, found = corpus.mentions(reference, caption), corpus.picture_mentions(picture, caption)
        assert [each[:3] for each in found] == [each[:3] for each in expected]
        for mention, drawn in zip(found, expected, strict=True):
            assert mention.mask.shape == picture.shape[:2]
            assert (mention.mask & drawn.mask).sum() > 0.75 * (mention.mask | drawn.mask).sum()


def test_a_wrong_word_is_not_a_mention() -> None:
    picture = render(draw(Random(1), [Description(2, "small", "blue", "circle")], ()))
    (mention,) = Shapes().picture_mentions(picture, "two small red circles")
    assert mention[:3] == (14, 21, "shape")
