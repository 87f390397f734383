"""Connected regions: the same as with a flood fill; growing."""

from __future__ import annotations

import numpy as np
import pytest

from regard.data.corpora.shapes.regions import grow_regions, label_regions


def flood(inside: np.ndarray) -> list[set[tuple[int, int]]]:
    left = set(map(tuple, np.argwhere(inside).tolist()))
    regions = []
    while left:
        region, edge = set(), {min(left)}
        while edge:
            region |= edge
            edge = {(y + dy, x + dx) for y, x in edge for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))} & left - region
        left -= region
        regions.append(region)
    return regions


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.6, 0.8, 1.0])
def test_regions_are_those_of_a_flood_fill(share: float) -> None:
    for seed, shape in enumerate([(1, 1), (7, 7), (20, 31), (48, 48)]):
        inside = np.random.default_rng(seed).random(shape) < share
        labels = label_regions(inside)
        assert ((labels > 0) == inside).all()
        numbers = sorted(set(labels[inside].tolist()), reverse=True)
        assert [set(map(tuple, np.argwhere(labels == number).tolist())) for number in numbers] == flood(inside)


def test_a_long_way_is_one_region() -> None:
    spiral = np.zeros((9, 9), dtype=np.bool_)
    for row in range(0, 9, 2):
        spiral[row] = True
        spiral[row - 1, 0 if row % 4 else -1] = True
    spiral[-1] = True
    assert len(set(label_regions(spiral)[spiral].tolist())) == 1


def test_regions_grow_by_one_pixel_and_keep_their_pixels() -> None:
    inside = np.zeros((7, 7), dtype=np.bool_)
    inside[2, 2] = inside[4, 4] = True
    labels = label_regions(inside)
    grown = grow_regions(labels)
    assert (grown[inside] == labels[inside]).all()
    assert np.count_nonzero(grown) == 10
    assert (grown[2, 1:4] == labels[2, 2]).all()
