"""Layers without attention weights: what their mixer is, and its kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import nn

from regard.model.layer import Layer
from regard.model.recorder import Recorder
from regard.model.state_space.diagonal import DiagonalSSM
from regard.observe.record.kernels import Kernels, summarize_kernels


class OtherMixer(NamedTuple):
    """A mixer that recorded no attention weights.

    description: the name of its class, and what it is: "H3, a state-space model"
    kernels: of its channels; None if it recorded none
    """

    description: str
    kernels: Kernels | None


def other_mixers(model: nn.Module, recorder: Recorder, distances: int) -> dict[str, OtherMixer]:
    """Return the mixers of all layers without a map in ``recorder``, by the name that the map would have.

    distances: number of distances of the kernels
    """
    found = {}
    for path, layer in model.named_modules():
        place = re.fullmatch(r"(encoder|decoder)\.\w+\.(\d+)", path)
        if place is None or not isinstance(layer, Layer):
            continue
        name = f"{place[1]}.{place[2]}.self"
        if name not in recorder.maps:
            kernels_of = recorder.kernels.get(name)
            kernels = kernels_of and summarize_kernels(kernels_of(distances).float().cpu().numpy())
            found[name] = OtherMixer(_describe(layer.mixer), kernels)
    return found


def describe_mixers(mixers: Mapping[str, OtherMixer]) -> str:
    """Describe in one line which layers have no attention weights, and what is shown instead; empty if all have."""
    places: dict[tuple[str, bool], dict[str, list[str]]] = {}
    for name, mixer in mixers.items():
        stack, layer, _ = name.split(".")
        places.setdefault((mixer.description, mixer.kernels is not None), {}).setdefault(stack, []).append(layer)
    return "; ".join(
        f"{_enumerate(stacks)}: {description}, no attention weights{'; kernels are shown' if shown else ' or kernels'}"
        for (description, shown), stacks in places.items()
    )


def _enumerate(stacks: Mapping[str, list[str]]) -> str:
    """Return "encoder layer 0 and decoder layers 0, 1"."""
    return " and ".join(
        f"{stack} layer{'s' * (len(layers) > 1)} {', '.join(layers)}" for stack, layers in stacks.items()
    )


def _describe(mixer: object) -> str:
    is_state_space = isinstance(mixer, nn.Module) and any(isinstance(part, DiagonalSSM) for part in mixer.modules())
    return type(mixer).__name__ + (", a state-space model" if is_state_space else "")
