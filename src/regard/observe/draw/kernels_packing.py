"""Convert kernels to the data of the attention page: one byte per value, and a scale per channel."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from regard.observe.record.kernels import MEMORY_SHARE, Kernels
from regard.observe.record.mixers import OtherMixer

STEPS = 127
"""Steps from 0 to the largest absolute value of a channel; the rounding error is at most half a step."""


class PackedMixers(NamedTuple):
    """The data of the page, and the number of channels that were left out."""

    data: dict[str, object]
    left_out: int


def pack_mixers(mixers: Mapping[str, OtherMixer], max_bytes: int) -> PackedMixers:
    """Pack the mixers with their kernels into about ``max_bytes``.

    If the kernels of all channels do not fit, each layer keeps the same number of channels (at least two), evenly
    spaced in the order of their memory.
    """
    kernels = [mixer.kernels for mixer in mixers.values() if mixer.kernels is not None]
    room = max_bytes * 3 // 4  # base64
    most = max(2, room // max(1, sum(_values_per_channel(each) for each in kernels)))
    data: dict[str, object] = {
        name: {
            "description": mixer.description,
            "kernels": None if mixer.kernels is None else _pack(mixer.kernels, most),
        }
        for name, mixer in mixers.items()
    }
    return PackedMixers(data, sum(max(0, each.memory.shape[1] - most) for each in kernels))


def _values_per_channel(kernels: Kernels) -> int:
    directions, _, ranges = kernels.low.shape
    return directions * ranges * (1 if kernels.is_exact else 2)


def _pack(kernels: Kernels, most: int) -> dict[str, object]:
    """Pack at most ``most`` channels, longest memory first.

    Steps are "channels directions extremes ranges": the smallest and the largest value, or one if they are the same.
    """
    order = kernels.longest_first
    kept = order[np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)]
    extremes = [kernels.low] if kernels.is_exact else [kernels.low, kernels.high]
    values = np.stack(extremes, axis=2)[:, kept].transpose(1, 0, 2, 3)
    scales = np.abs(values).max(axis=(1, 2, 3))
    shares = values / np.where(scales > 0, scales, 1)[:, None, None, None]
    steps = (np.rint(STEPS * shares) + STEPS).astype(np.uint8)
    return {
        "starts": kernels.starts.tolist(),
        "memoryShare": MEMORY_SHARE,
        "count": len(order),
        "channels": kept.tolist(),
        "memory": kernels.memory[:, kept].tolist(),
        "scales": [float(f"{scale:.5g}") for scale in scales],
        "steps": b64encode(steps.tobytes()).decode("ascii"),
    }
