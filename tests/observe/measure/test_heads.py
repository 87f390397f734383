"""What heads do, measured on matrices whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pytest

from regard.observe.measure.heads import (
    MEASURES,
    after_last_occurrence,
    is_punctuation,
    mean_measures,
    rare_pieces,
    row_measures,
    uniform_weights,
)
from regard.observe.record.maps import entropy

KEYS = ["<s>", "▁a", ",", "▁b", "▁a", ",", "▁b"]


def map_measures(weights: np.ndarray, kind: str, keys: list[str], rare: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The measures of a single map."""
    return mean_measures([row_measures(weights, kind, keys, rare)])


def one_hot(*columns: int, keys: int) -> np.ndarray:
    return np.eye(keys, dtype=np.float32)[list(columns)][None]


def causal(*columns: int) -> dict[str, float]:
    found = map_measures(one_hot(*columns, keys=len(columns)), "decoder.self", KEYS[: len(columns)])
    return {name: values.item() for name, values in found.items()}


def test_a_head_that_reads_itself() -> None:
    found = causal(0, 1, 2, 3)
    assert found == {
        "entropy": 0, "maximum": 1, "distance": 0, "same": 1, "previous": 0, "first": 0.25, "punctuation": 0.25,
    }  # fmt: skip


def test_a_head_that_reads_the_token_before_it_does_so_wherever_there_is_one() -> None:
    found = causal(0, 0, 1, 2)
    assert found["previous"] == 1
    assert found["distance"] == 3 / 4
    assert found["same"] == 1 / 4
    assert found["first"] == 2 / 4


def test_a_head_that_reads_the_token_after_it() -> None:
    found = map_measures(one_hot(1, 2, 3, 3, keys=4), "encoder.self", ["a", "b", "c", "</s>"])
    assert found["next"].tolist() == [1]
    assert found["last"].tolist() == [0.5]
    assert found["distance"].tolist() == [3 / 4]


def test_an_induction_head() -> None:
    # The second a, comma and b read what followed the first ones.
    assert after_last_occurrence(KEYS).tolist() == [-1, -1, -1, -1, 2, 3, 4]
    assert causal(0, 0, 0, 0, 2, 3, 4)["induction"] == 1
    assert causal(0, 0, 0, 0, 2, 0, 0)["induction"] == pytest.approx(1 / 3)
    assert "induction" not in causal(0, 1, 2, 3), "no token occurs twice"


def test_a_token_said_twice_in_a_row_is_no_induction() -> None:
    assert after_last_occurrence(["x", "x", "x"]).tolist() == [-1, -1, -1]
    assert after_last_occurrence(["x", "y", "x", "x"]).tolist() == [-1, -1, 1, -1]


def test_a_uniform_head_spreads_over_what_it_sees() -> None:
    found = map_measures(uniform_weights("decoder.cross", 3, 4), "decoder.cross", ["a", ".", "b", "</s>"], rare={"b"})
    assert found["entropy"].item() == pytest.approx(math.log(4))
    assert found["maximum"].item() == pytest.approx(0.25)
    assert found["distance"].item() == pytest.approx((1.5 + 1 + 1) / 3)
    for name in ("same", "previous", "next", "first", "last", "punctuation", "rare"):
        assert found[name].item() == pytest.approx(0.25), name
    np.testing.assert_allclose(
        uniform_weights("decoder.self", 3, 3)[0], [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6
    )


def test_what_a_map_cannot_have_is_left_out() -> None:
    weights = uniform_weights("decoder.self", 7, 7)
    assert not {"next", "last", "rare"} & map_measures(weights, "decoder.self", KEYS).keys()
    assert "induction" in map_measures(weights, "decoder.self", KEYS)
    assert "induction" not in map_measures(weights, "decoder.cross", KEYS)
    assert map_measures(weights, "encoder.self", KEYS, {"▁b"}).keys() == MEASURES.keys()


def test_patches_have_distances_in_the_plane_and_no_place_in_a_text() -> None:
    patches, grid = ["1,1", "1,2", "1,3", "2,1", "2,2", "2,3"], (2, 3)
    # The first patch reads the one below it, three positions later; all others read themselves.
    weights = one_hot(3, 1, 2, 3, 4, 5, keys=6)
    own = mean_measures([row_measures(weights, "encoder.self", patches, grid=grid)])
    assert own["distance"].item() == pytest.approx(1 / 6)
    assert own["same"].item() == pytest.approx(5 / 6)
    assert own.keys() == {"entropy", "maximum", "distance", "same"}
    cross = mean_measures([row_measures(weights, "decoder.cross", patches, grid=grid)])
    assert cross.keys() == {"entropy", "maximum"}


def test_heads_are_measured_apart_and_masked_rows_left_out() -> None:
    weights = np.concatenate(
        [one_hot(0, 1, 2, keys=3), one_hot(0, 0, 1, keys=3), uniform_weights("decoder.self", 3, 3)]
    )
    found = map_measures(weights, "decoder.self", KEYS[:3])
    assert found["previous"][:2].tolist() == [0, 1]
    np.testing.assert_allclose(found["entropy"], entropy(weights), atol=1e-12)
    masked = np.concatenate([weights, np.zeros((3, 1, 3), np.float32)], axis=1)
    again = map_measures(masked, "decoder.cross", KEYS[:3])
    np.testing.assert_allclose(again["first"], found["first"])


def test_a_sample_is_the_mean_over_its_rows_not_over_its_sentences() -> None:
    short = row_measures(one_hot(0, 1, keys=2), "decoder.self", KEYS[:2])
    long = row_measures(one_hot(0, 0, 0, 0, 2, 3, 4, keys=7), "decoder.self", KEYS)
    found = mean_measures([short, long])
    assert found["same"].item() == pytest.approx((2 + 1) / 9)
    assert found["induction"].item() == 1, "the rows that have one"


def test_what_lies_in_another_document_is_not_asked_for() -> None:
    documents = np.array([0, 0, 0, 0, 1, 1, 1])
    even = uniform_weights("decoder.self", 7, 7, documents)
    np.testing.assert_allclose(even[0, 4:, :4], 0)
    np.testing.assert_allclose(even[0, 6, 4:], 1 / 3, rtol=1e-6)
    rows = row_measures(even, "decoder.self", KEYS, documents=documents)
    assert np.isfinite(rows["first"][0]).tolist() == [True] * 4 + [False] * 3
    assert np.isfinite(rows["previous"][0]).tolist() == [False, True, True, True, False, True, True]
    assert not np.isfinite(rows["induction"]).any(), "each token occurs once in its document"
    assert np.isfinite(row_measures(even, "decoder.self", KEYS)["induction"]).any()


@pytest.mark.parametrize(
    ("piece", "expected"),
    [("▁.", True), (",", True), ("–", True), ("▁(", True), ("a.", False), ("▁", False), ("</s>", False), ("€", False)],
)
def test_punctuation_is_unicodes(piece: str, expected: bool) -> None:
    assert is_punctuation(piece) is expected


def test_rare_is_what_makes_up_a_tenth_of_the_sample_at_most() -> None:
    common = ["a"] * 50 + ["b"] * 40
    assert rare_pieces([[*common, "x", "y", "</s>"], ["z", "z"]]) == {"x", "y", "z"}
    # Eleven of 101 are more than a tenth, and those that occur as often are rare together or not at all.
    assert rare_pieces([[*common, *"klmnopqrstu"]]) == frozenset()
    assert rare_pieces([[*common, "x", *(["c"] * 10)]]) == {"x"}
    assert rare_pieces([]) == frozenset()
