"""Reduce the number of points of a curve while its shape is preserved."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def thin(values: Float[np.ndarray, "curves points"], most: int) -> list[Int[np.ndarray, "kept"]]:
    """Return the indices of the points to keep for each curve, in order: at most ``most``, including first and last.

    The other points are divided into intervals of equal length, each of which keeps its minimum and its maximum. NaN
    and infinite values are ignored; an interval without finite values keeps one value, so that the gap is visible.
    Raises ValueError if ``most`` is less than 4.
    """
    if most < 4:
        raise ValueError(f"most={most}: expected at least 4 (first, last, and two points of an interval)")
    curves, count = values.shape
    if count <= most:
        return [np.arange(count)] * curves
    intervals = (most - 2) // 2
    size, longer = divmod(count - 2, intervals)  # the first ``longer`` intervals have one more point
    finite = np.isfinite(values)
    kept = np.zeros_like(finite)
    kept[:, [0, -1]] = True
    rows = np.arange(curves)[:, None]
    begin = 1
    for number, length in ((longer, size + 1), (intervals - longer, size)):
        end = begin + number * length
        firsts = np.arange(begin, end, length)
        for worst, extreme in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            part = np.where(finite[:, begin:end], values[:, begin:end], worst).reshape(curves, number, length)
            kept[rows, firsts + extreme(part, axis=2)] = True
        begin = end
    return [np.flatnonzero(row) for row in kept]
