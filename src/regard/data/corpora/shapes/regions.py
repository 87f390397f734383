"""Connected regions of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
"""For each pixel, "height width", the number of its region, or 0 for none."""


def label_regions(inside: npt.NDArray[np.bool_]) -> Labels:
    """Number the regions of connected pixels. Pixels are connected if they share a side.

    Earlier regions, by rows, have larger numbers. The numbers are not consecutive.
    """
    numbers = np.arange(inside.size, 0, -1, dtype=np.int32)
    labels = np.where(inside, numbers.reshape(inside.shape), np.int32(0))
    while True:
        largest = np.where(inside, _largest_beside(labels), np.int32(0))
        if np.array_equal(largest, labels):
            return labels
        # Number n began at pixel [-n] of the region, whose number may be larger by now: long ways are halved.
        labels = np.where(inside, largest.reshape(-1)[-largest], np.int32(0))


def grow_regions(labels: Labels) -> Labels:
    """Add to each region the pixels that share a side with it. A pixel between two regions is added to one of them."""
    return np.where(labels > 0, labels, _largest_beside(labels))


def _largest_beside(labels: Labels) -> Labels:
    """Return for each pixel the largest number of itself and its four neighbours."""
    largest = labels.copy()
    for one, other in ((largest[1:], labels[:-1]), (largest[:-1], labels[1:])):
        np.maximum(one, other, out=one)
    for one, other in ((largest[:, 1:], labels[:, :-1]), (largest[:, :-1], labels[:, 1:])):
        np.maximum(one, other, out=one)
    return largest
