"""Pointing: which patches are on an object, and which words point to them."""

from __future__ import annotations

import numpy as np
import pytest

from regard.data.corpora.shapes.judge import Mention
from regard.observe.measure.pointing import PointingScores, covered_patches, pointed_words
from regard.observe.record.maps import SentenceMaps

TARGET = ["▁a", "▁red", "▁cir", "cle", "</s>"]
CAPTION = "a red circle"


def mask(*rectangle: int) -> np.ndarray:
    top, left, bottom, right = rectangle
    found = np.zeros((12, 12), dtype=bool)
    found[top:bottom, left:right] = True
    return found


def sentence(weights: np.ndarray) -> SentenceMaps:
    labels = [f"{row},{column}" for row in "123" for column in "123"]
    return SentenceMaps(labels, ["<s>", *TARGET[:-1]], TARGET, {"decoder.0.cross": weights}, (3, 3))


def test_patches_on_an_object() -> None:
    assert covered_patches(mask(0, 0, 4, 8), (3, 3)).nonzero()[0].tolist() == [0, 1]
    assert covered_patches(mask(0, 0, 4, 5), (3, 3)).nonzero()[0].tolist() == [0, 1]  # a quarter of the second
    assert covered_patches(mask(3, 3, 9, 4), (3, 3)).nonzero()[0].tolist() == [0, 3, 6]
    tiny = np.zeros((64, 64), dtype=bool)
    tiny[40, 40] = True
    assert covered_patches(tiny, (2, 2)).tolist() == [False, False, False, True]


def test_words_are_found_by_their_characters() -> None:
    mentions = [Mention(2, 5, "colour", mask(0, 0, 4, 4)), Mention(6, 12, "shape", mask(8, 8, 12, 12))]
    found = list(pointed_words(TARGET, (3, 3), mentions))
    assert [word.kind for word in found] == ["colour", "shape"]
    assert [(CAPTION[m.start : m.end], word.pieces) for m, word in zip(mentions, found, strict=True)] == [
        ("red", range(1, 2)),
        ("circle", range(2, 4)),
    ]
    assert [word.patches.nonzero()[0].tolist() for word in found] == [[0], [8]]


def test_shares_of_heads_and_chance() -> None:
    weights = np.full((2, 5, 9), 0.1, dtype=np.float32)
    weights[0, 1, 0] = weights[0, 2:4, 8] = 0.9  # the first head points to both objects
    weights[1, 1, 0] = weights[1, 2, 8] = weights[1, 3, 2] = 0.9  # the second, on average, to the first of two equals
    weights[1, 3, 2] = 1.0
    scores = PointingScores()
    scores.add(
        sentence(weights), [Mention(2, 5, "colour", mask(0, 0, 4, 4)), Mention(6, 12, "shape", mask(8, 8, 12, 12))]
    )
    assert scores.shares()["decoder.0.cross"].tolist() == [1.0, 0.5]
    assert scores.words == 2
    assert scores.chance / scores.words == pytest.approx(1 / 9)


def test_text_has_no_pointing() -> None:
    scores = PointingScores()
    text = SentenceMaps(["▁x", "</s>"], ["<s>"], ["</s>"], {"decoder.0.cross": np.ones((1, 1, 2), dtype=np.float32)})
    scores.add(text, [Mention(0, 1, "shape", mask(0, 0, 4, 4))])
    assert scores.shares() == {}
