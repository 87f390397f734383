"""Fewer points of a curve that look the same: the page of a hundred runs need not hold every row."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def thin(values: Float[np.ndarray, "points"], most: int) -> Int[np.ndarray, "kept"]:
    """Which of ``values`` to keep, in order: at most ``most`` (4 or more), the first and the last among them.

    The points between are cut into stretches of equal length, and each keeps its smallest and its largest: peaks and
    dips stay. NaN and infinite values count as neither, and a stretch of nothing else keeps one of them: a gap stays.
    Raises ValueError if ``most`` is less than 4.
    """
    if most < 4:
        raise ValueError(f"most={most}: the first, the last, and two of a stretch make 4")
    count = len(values)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    finite = np.isfinite(values)
    for stretch in np.array_split(np.arange(1, count - 1), (most - 2) // 2):
        alive = stretch[finite[stretch]]
        if alive.size == 0:
            kept.add(int(stretch[0]))
        else:
            kept |= {int(alive[values[alive].argmin()]), int(alive[values[alive].argmax()])}
    return np.array(sorted(kept))
