"""The attention of a denoiser to true images with noise, whose objects are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from regard.data.batching import Batch
from regard.inference.drawing.rectified_flow import mix
from regard.inference.drawing.text_to_image import TextToImage
from regard.model.recorder import Recorder
from regard.observe.record.maps import split_name


class NoisedMaps(NamedTuple):
    """The attention to one image with noise, at several times, float32.

    pieces: of the prompt, ending with ``</s>``
    grid: rows and columns of the patches
    cross: patches attend to the pieces of the prompt
    patches: patches attend to patches, by the name of the map
    prompt: pieces of the prompt attend to each other, by the name of the map
    """

    pieces: list[str]
    grid: tuple[int, int]
    cross: Float[np.ndarray, "time layer head patch piece"]
    patches: dict[str, Float[np.ndarray, "time head patch patch"]]
    prompt: dict[str, Float[np.ndarray, "head piece piece"]]


@torch.inference_mode()
def noised_maps(generator: TextToImage, batch: Batch, times: Sequence[float]) -> Iterator[tuple[int, NoisedMaps]]:
    """Yield the row of each image of a batch, and its maps with its prompt at each time, from 0 (noise) to 1.

    The noise of a row is a function of its number, the same at all times: that of an evaluation of the loss.
    """
    model = generator.model
    moved = batch.on(generator.device)
    if moved.source is None:
        raise TypeError("a denoiser needs prompts")
    images, noise = model.normalise(moved.target), generator.noise(batch.rows)
    of_prompt = Recorder()
    encoded = model.encode(moved.source, of_prompt)
    maps: dict[str, list[np.ndarray]] = {}
    for time in times:
        recorder, at = Recorder(), images.new_full(images.shape[:1], time)
        model.decoder(mix(images, noise, at), at, encoded, recorder.under("decoder"))
        for name, weights in recorder.maps.items():
            maps.setdefault(name, []).append(weights.float().cpu().numpy())
    cross = [name for name in maps if split_name(name)[0] == "decoder.cross"]
    by_layer = np.stack([np.stack(maps.pop(name)) for name in cross], axis=1)  # "time layer row head patch piece"
    patches = {name: np.stack(weights) for name, weights in maps.items()}
    prompt = {name: weights.float().cpu().numpy() for name, weights in of_prompt.maps.items()}
    for place, row in enumerate(batch.rows):
        pieces = generator.source.labels(moved.source[place])
        length = len(pieces)
        yield (
            row,
            NoisedMaps(
                pieces,
                model.decoder.grid,
                by_layer[:, :, place, ..., :length],
                {name: weights[:, place] for name, weights in patches.items()},
                {name: weights[place, :, :length, :length] for name, weights in prompt.items()},
            ),
        )
