"""How fast a cost grows with the length of the sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def exponent(values: Mapping[int, float]) -> float | None:
    """Return p of value = c length^p, fitted to the logarithms of the longer half of the lengths, at least two.

    1 is linear growth and 0 is a constant. None if there are fewer than two lengths.
    """
    lengths = sorted(values)
    longer = lengths[min(len(lengths) // 2, len(lengths) - 2) :] if len(lengths) > 1 else []
    if not longer:
        return None
    slope, _ = np.polyfit(np.log(longer), np.log([values[length] for length in longer]), deg=1)
    return float(slope)
