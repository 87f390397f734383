"""The drawing of an image step by step, with the attention of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from regard.data.images.image import Pixels
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.rectified_flow import draw
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.model.recorder import Recorder
from regard.observe.record.maps import split_name


@dataclass(frozen=True)
class DrawnMaps:
    """The attention of a denoiser while it draws, by the name of the map (``decoder.2.cross``), float32.

    The weights of a query, on the last axis, sum to 1 over all keys.

    cross: patches attend to the pieces of the prompt, "step heads patch piece"
    patches: patches attend to patches, the mean over the steps, "heads patch patch"
    prompt: pieces of the prompt attend to each other, "heads piece piece"; the same in every step
    """

    cross: dict[str, Float[np.ndarray, "step heads patch piece"]]
    patches: dict[str, Float[np.ndarray, "heads patch patch"]]
    prompt: dict[str, Float[np.ndarray, "heads piece piece"]]


@dataclass(frozen=True)
class DrawingTrace:
    """How an image was drawn, and what the model attended to.

    wanted, drawing: the prompt, the seed of the noise, and the settings
    pieces: of the prompt, ending with ``</s>``; there is no token at the start
    grid: rows and columns of the patches, which are in the order of reading
    image: the finished image
    times: of the steps, from 0 (noise) to 1
    noisy, predicted: before each step, the image, and the clean image that is predicted with guidance
    maps: the attention of each step
    """

    wanted: Wanted
    drawing: Drawing
    pieces: list[str]
    grid: tuple[int, int]
    image: Pixels
    times: list[float]
    noisy: list[Pixels]
    predicted: list[Pixels]
    maps: DrawnMaps


@torch.inference_mode()
def trace_drawings(generator: TextToImage, wanted: Sequence[Wanted], drawing: Drawing) -> list[DrawingTrace]:
    """Draw images together, and record each step.

    The maps are those of the conditional half of the guided pass. The model reads each noisy image once more, with its
    prompt: an image does not depend on the others of a batch, and so the maps equal those of the guided pass. With the
    solver ``heun``, they are those of the first of the two evaluations of a step. A prompt longer than the limit of the
    model is cut.
    """
    model = generator.model
    source, noise = generator.encode([each.prompt for each in wanted]), generator.noise([each.seed for each in wanted])
    of_prompt = Recorder()
    encoded = model.encode(source, of_prompt)
    *steps, last = draw(model, source, noise, drawing)
    cross: dict[str, list[np.ndarray]] = {}
    patches: dict[str, np.ndarray] = {}
    for step in steps:
        recorder = Recorder()
        times = step.noisy.new_full(step.noisy.shape[:1], step.time)
        model.decoder(step.noisy, times, encoded, recorder.under("decoder"))
        for name, weights in _arrays(recorder).items():
            if split_name(name)[0] == "decoder.cross":
                cross.setdefault(name, []).append(weights)
            else:
                patches[name] = patches.get(name, 0) + weights / len(steps)
    by_step = {name: np.stack(weights, axis=1) for name, weights in cross.items()}
    prompt = _arrays(of_prompt)
    images = generator.pixels(last.noisy)
    noisy = [generator.pixels(step.noisy) for step in steps]
    predicted = [generator.pixels(step.predicted) for step in steps]
    traces = []
    for place, each in enumerate(wanted):
        pieces = generator.source.labels(source[place])
        length = len(pieces)
        maps = DrawnMaps(
            {name: weights[place, ..., :length] for name, weights in by_step.items()},
            {name: weights[place] for name, weights in patches.items()},
            {name: weights[place, :, :length, :length] for name, weights in prompt.items()},
        )
        own = [images[place] for images in noisy], [images[place] for images in predicted]
        times_of_steps = [step.time for step in steps]
        traces.append(
            DrawingTrace(each, drawing, pieces, model.decoder.grid, images[place], times_of_steps, *own, maps)
        )
    return traces


def _arrays(recorder: Recorder) -> dict[str, np.ndarray]:
    return {name: weights.float().cpu().numpy() for name, weights in recorder.maps.items()}
