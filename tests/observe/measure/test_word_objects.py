"""Words and their objects: pointing, overlap, own against other; the kinds of words that are read."""

from __future__ import annotations

import numpy as np
import pytest

from regard.data.corpora.shapes.grammar import WORD_KINDS
from regard.data.corpora.shapes.judge import Mention
from regard.observe.measure.drawing_heads import with_means
from regard.observe.measure.word_kinds import ReadKinds, piece_kinds
from regard.observe.measure.word_objects import BRIGHT, WordObjects

PIECES = ["▁a", "▁red", "▁cir", "cle", "▁a", "▁blue", "▁star", "</s>"]
CAPTION = "a red circle a blue star"
GRID = (3, 3)
LEFT, RIGHT = [0, 3], [2, 5]


def mention(word: str, kind: str, patches: list[int]) -> Mention:
    mask = np.zeros((12, 12), dtype=bool)
    for patch in patches:
        row, column = divmod(patch, 3)
        mask[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = True
    start = CAPTION.index(word)
    return Mention(start, start + len(word), kind, mask)  # type: ignore[arg-type]


MENTIONS = [
    mention("red", "colour", LEFT),
    mention("circle", "shape", LEFT),
    mention("blue", "colour", RIGHT),
    mention("star", "shape", RIGHT),
]


def scores(weights: np.ndarray) -> WordObjects:
    found = WordObjects()
    found.add(weights, PIECES, GRID, MENTIONS)
    return found


def test_a_head_that_finds_every_object_and_one_that_finds_the_other() -> None:
    weights = np.full((1, 2, 9, 8), 0.01)
    weights[0, 0, LEFT, 1] = weights[0, 0, RIGHT, 5] = 0.5  # colours, of the first head
    weights[0, 0, LEFT, 2] = weights[0, 0, LEFT, 3] = weights[0, 0, RIGHT, 6] = 0.5  # shapes
    weights[0, 1, RIGHT, 1] = weights[0, 1, LEFT, 5] = 0.5  # the second head confuses the colours
    found = scores(weights)
    means = {name: values[0].tolist() for name, values in found.means().items()}
    assert means["pointing_colour"] == means["overlap_colour"] == means["own_colour"] == [1, 0]
    assert means["pointing_shape"][0] == means["overlap_shape"][0] == means["own_shape"][0] == 1
    assert found.words == {"colour": 2, "shape": 2}


def test_uniform_weights_are_at_chance() -> None:
    found = scores(np.full((1, 1, 9, 8), 1 / 8))
    assert found.chances() == pytest.approx(
        {f"{name}_{kind}": 2 / 9 for name in ("pointing", "overlap") for kind in ("colour", "shape")}
        | {"own_colour": 0.5, "own_shape": 0.5}
    )
    for name, chance in found.chances().items():
        if not name.startswith("pointing"):
            assert found.means()[name].item() == pytest.approx(chance)


def test_overlap_is_that_of_the_patches_above_a_share_of_the_largest_weight() -> None:
    weights = np.zeros((1, 1, 9, 8))
    weights[0, 0, 0, 1] = 1.0
    weights[0, 0, 4, 1] = BRIGHT + 0.01
    weights[0, 0, 3, 1] = BRIGHT - 0.01
    weights[..., 5] = weights[..., 1]  # the other object has none of these patches
    assert scores(weights).means()["overlap_colour"].item() == pytest.approx((1 / 3 + 0) / 2)


def test_patches_on_two_objects_do_not_decide_between_them() -> None:
    mentions = [mention("red", "colour", [0, 1]), mention("blue", "colour", [1, 2])]
    weights = np.zeros((1, 1, 9, 8))
    weights[0, 0, 1, [1, 5]] = 0.9
    weights[0, 0, 0, 1] = weights[0, 0, 0, 5] = 0.1
    found = WordObjects()
    found.add(weights, PIECES, GRID, mentions)
    assert found.means()["own_colour"].item() == 0.5, "right for red, wrong for blue"


def test_times_and_places_are_separate() -> None:
    weights = np.random.default_rng(0).random((3, 4, 9, 8))
    together = scores(weights).means()
    for time in range(3):
        for place in range(4):
            alone = scores(weights[time : time + 1, place : place + 1]).means()
            assert {name: values.item() for name, values in alone.items()} == pytest.approx(
                {name: values[time, place] for name, values in together.items()}
            )


def test_means_are_those_of_the_weights() -> None:
    weights = np.random.default_rng(0).random((2, 3, 4, 9, 8))
    found = with_means(weights)
    assert found.shape == (3, 3 * 4 + 3 + 1, 9, 8)
    np.testing.assert_allclose(found[0, 4 + 2], weights[:, 1, 2].mean(axis=0))
    np.testing.assert_allclose(found[2, 12 + 1], weights[1, 1].mean(axis=0))
    np.testing.assert_allclose(found[0, -1], weights.mean(axis=(0, 1, 2)))


def test_kinds_of_words() -> None:
    pieces = ["▁two", "▁small", "▁red", "▁cir", "cles", "▁left", "▁of", "▁a", "▁house", "▁and", "</s>"]
    kinds = ["number", "size", "colour", "shape", "shape", "relation", "relation", "number", "other", "and", "end"]
    assert piece_kinds(pieces, WORD_KINDS) == kinds
    weights = np.random.default_rng(0).random((2, 3, 9, 11))
    weights /= weights.sum(axis=-1, keepdims=True)
    found = ReadKinds(WORD_KINDS)
    found.add(weights, pieces)
    means = found.means()
    assert list(means) == [f"reads_{kind}" for kind in [*dict.fromkeys(WORD_KINDS.values()), "other", "end"]]
    np.testing.assert_allclose(sum(means.values()), 1)
    np.testing.assert_allclose(means["reads_shape"], weights[..., 3:5].sum(axis=-1).mean(axis=-1))
    assert sum(found.uniform().values()) == pytest.approx(1)
    assert found.uniform()["reads_relation"] == pytest.approx(2 / 11)
