from __future__ import annotations

import numpy as np
import pytest

from regard.observe.draw.thin import thin


@pytest.mark.parametrize("count", [1, 5, 99, 100, 101, 1000, 12345])
@pytest.mark.parametrize("most", [4, 5, 20, 100])
def test_ends_and_extremes_are_kept_in_order_and_no_more_than_asked(count: int, most: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    (kept,) = thin(values[None], most)
    assert len(kept) <= max(most, 1)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert {values.argmin(), values.argmax()} <= set(kept)
    if count <= most:
        assert len(kept) == count


def test_a_single_spike_of_many_rows_stays() -> None:
    values = np.zeros(10_000)
    values[4321], values[4322] = 7, -7
    assert {4321, 4322} <= set(thin(values[None], 50)[0])


def test_values_that_are_no_numbers_hide_no_extreme_and_a_gap_stays_a_gap() -> None:
    values = np.sin(np.linspace(0, 9, 1000))
    values[100:300], values[500], values[501] = np.nan, np.inf, -np.inf
    (kept,) = thin(values[None], 40)
    assert np.isnan(values[kept]).any()
    assert np.nanargmax(np.where(np.isfinite(values), values, np.nan)) in kept


def test_fewer_than_four_points_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 4"):
        thin(np.zeros((1, 9)), 3)
