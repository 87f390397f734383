"""Rectified flow: a straight path from noise to an image, and its integration in steps (Liu et al. 2023).

At time t from 0 to 1 the path is at t * image + (1 - t) * noise, and its velocity is image - noise. The model predicts
the image (the mean over all images that fit), from which the velocity at a point x follows: (image - x) / (1 - t).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regard.data.tokenizer.specials import EOS, PAD
from regard.inference.drawing.drawing import Drawing
from regard.model.denoiser.denoiser import Denoiser
from regard.model.encoders.encoder import Encoded

Images = Float[Tensor, "batch 3 height width"]
Times = Float[Tensor, " batch"]

SHORTEST = 0.05
"""Lower limit of 1 - t in divisions: close to the image, the velocity would magnify errors of the prediction."""


class Step(NamedTuple):
    """An image before a step, normalised.

    time: from 0 (noise) to 1
    noisy: the image at this time
    predicted: the clean image that the model predicts, with guidance
    """

    time: float
    noisy: Images
    predicted: Images


def mix(images: Images, noise: Images, time: Times) -> Images:
    """Return the points of the paths at ``time``."""
    share = time[:, None, None, None]
    return share * images + (1 - share) * noise


def remaining(time: Times) -> Float[Tensor, "batch 1 1 1"]:
    """Return 1 - t, at least SHORTEST."""
    return (1 - time).clamp(min=SHORTEST)[:, None, None, None]


def without_prompt(source: Int[Tensor, "batch source"]) -> Int[Tensor, "batch source"]:
    """Return the tokens of empty prompts, with which the model draws anything that it has seen."""
    empty = torch.full_like(source, PAD)
    empty[:, 0] = EOS
    return empty


@torch.inference_mode()
def draw(model: Denoiser, source: Int[Tensor, "batch source"], noise: Images, drawing: Drawing) -> Iterator[Step]:
    """Yield each step of the drawing of images for prompts, from ``noise``. The last one has time 1: the images."""
    guided = drawing.guidance != 1
    encoded = model.encode(torch.cat([source, without_prompt(source)]) if guided else source)

    def predict(x: Images, time: float) -> Images:
        return _guided(model, x, time, encoded, drawing.guidance) if guided else _predict(model, x, time, encoded)

    x = noise
    for number in range(drawing.steps):
        time, following = number / drawing.steps, (number + 1) / drawing.steps
        predicted = predict(x, time)
        yield Step(time, x, predicted)
        velocity = _velocity(predicted, x, time)
        after = x + (following - time) * velocity
        if drawing.solver == "heun" and following < 1:
            velocity = (velocity + _velocity(predict(after, following), after, following)) / 2
            after = x + (following - time) * velocity
        x = after
    yield Step(1.0, x, x)


def _guided(model: Denoiser, x: Images, time: float, encoded: Encoded | None, guidance: float) -> Images:
    conditional, unconditional = _predict(model, torch.cat([x, x]), time, encoded).chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def _predict(model: Denoiser, x: Images, time: float, encoded: Encoded | None) -> Images:
    predicted: Tensor = model.decoder(x, x.new_full(x.shape[:1], time), encoded)
    return predicted.float()


def _velocity(predicted: Images, x: Images, time: float) -> Images:
    return (predicted - x) / max(1 - time, SHORTEST)
