"""Placement of labels beside points with little overlap."""

from __future__ import annotations

from collections.abc import Sequence


def place_labels(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], gap: float
) -> list[tuple[float, float]]:
    """Return the upper left corner of each label: beside its point, with the least overlap with earlier labels.

    points: in order of importance, y downwards
    sizes: width and height of each label
    gap: distance between a point and its label
    """
    taken = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in points]
    corners: list[tuple[float, float]] = []
    for (x, y), (wide, high) in zip(points, sizes, strict=True):
        right, left, middle = x + gap, x - gap - wide, x - wide / 2
        candidates = [(right, y - high / 2), (left, y - high / 2), (middle, y - gap - high), (middle, y + gap)]
        candidates += [
            (side, y - high / 2 + step * high) for step in (-0.8, 0.8, -1.6, 1.6, -2.4, 2.4) for side in (right, left)
        ]
        boxes = [(a, b, a + wide, b + high) for a, b in candidates]
        best = min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        corners.append(best[:2])
    return corners


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return the area of the intersection of two boxes (left, top, right, bottom)."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
