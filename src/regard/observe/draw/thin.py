"""Fewer points of a curve that look the same: the page of a hundred runs need not hold every row."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def thin(values: Float[np.ndarray, "curves points"], most: int) -> list[Int[np.ndarray, "kept"]]:
    """Which points of each of ``values`` to keep, in order: at most ``most`` (4 or more), the first and the last too.

    The points between are cut into stretches of equal length, and each keeps its smallest and its largest: peaks and
    dips stay. NaN and infinite values count as neither, and a stretch of nothing else keeps one of them: a gap stays.
    Raises ValueError if ``most`` is less than 4.
    """
    if most < 4:
        raise ValueError(f"most={most}: the first, the last, and two of a stretch make 4")
    curves, count = values.shape
    if count <= most:
        return [np.arange(count)] * curves
    stretches = (most - 2) // 2
    size, longer = divmod(count - 2, stretches)  # the first ``longer`` stretches have one more
    finite = np.isfinite(values)
    kept = np.zeros_like(finite)
    kept[:, [0, -1]] = True
    rows = np.arange(curves)[:, None]
    begin = 1
    for number, length in ((longer, size + 1), (stretches - longer, size)):
        end = begin + number * length
        firsts = np.arange(begin, end, length)
        for worst, extreme in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            part = np.where(finite[:, begin:end], values[:, begin:end], worst).reshape(curves, number, length)
            kept[rows, firsts + extreme(part, axis=2)] = True
        begin = end
    return [np.flatnonzero(row) for row in kept]
