"""Image models as plain values, and how much the pixels of a page differ from those of PyTorch."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

import torch
from torch import Tensor

from regard.exchange.layers import Plain, describe_stack
from regard.exchange.model import describe_embedding
from regard.exchange.page.deviation import random_inputs
from regard.exchange.page.vocabulary import describe_tokenizer
from regard.exchange.page.weights import WeightFormat, as_stored
from regard.exchange.unsupported import Unsupported
from regard.inference.drawing.rectified_flow import Images
from regard.inference.drawing.text_to_image import TextToImage
from regard.model.denoiser.denoiser import Denoiser
from regard.model.denoiser.patch_decoder import PatchDecoder
from regard.model.encoders.text import TextEncoder

TIMES = (0.0, 0.25, 0.5, 0.75)
REFERENCE_TIME = 0.5


class PixelDeviation(NamedTuple):
    """Differences of predicted clean images, in steps of 1/255, and the number of images that were compared."""

    largest: float
    mean: float
    images: int


def describe_drawer(generator: TextToImage) -> Plain:
    """Describe an image model and its tokenizer, without its weights.

    Raises Unsupported naming the option of the model that a page cannot compute.
    """
    return {
        "kind": "denoiser",
        "model": describe_denoiser(generator.model),
        "source": None,
        "target": describe_tokenizer(generator.tokenizer),
    }


def describe_denoiser(model: Denoiser) -> Plain:
    """Return the description of an image model. Raises Unsupported as `describe_drawer` does."""
    if type(model) is not Denoiser or type(model.decoder) is not PatchDecoder:
        raise Unsupported("model", model, "Denoiser")
    if type(model.encoder) is not TextEncoder:
        raise Unsupported("model.encoder", model.encoder, "TextEncoder")
    embedding = describe_embedding(model.embedding, "encoder.embedding")
    return {
        "dim": model.embedding.dim,
        "max_length": model.max_length,
        "encoder": {"kind": "text", "embedding": embedding} | describe_stack(model.encoder.layers),
        "decoder": {"image_size": model.decoder.image_size, "grid": model.decoder.grid}
        | describe_stack(model.decoder.layers),
        "pixel_mean": model.pixel_mean,
        "pixel_deviation": model.pixel_deviation,
    }


@torch.inference_mode()
def describe_drawn_reference(generator: TextToImage) -> Plain:
    """Return a prompt, a seed and a time, with the prediction of PyTorch, which a page compares with its own.

    expected: the predicted clean image, normalised, float32 "height width channel" in base64
    """
    source = generator.encode(random_inputs(generator.source)[:1])
    predicted = predict(generator.model, generator.noise([0]), REFERENCE_TIME, source)[0].permute(1, 2, 0)
    return {
        "source": source[0].tolist(),
        "seed": 0,
        "time": REFERENCE_TIME,
        "expected": b64encode(predicted.contiguous().numpy().astype("<f4").tobytes()).decode("ascii"),
    }


@torch.inference_mode()
def measure_pixel_deviation(generator: TextToImage, matrices: WeightFormat) -> PixelDeviation:
    """Measure in PyTorch what the format of the weights changes in predictions from noise, for random prompts."""
    stored = as_stored(generator.model, matrices)
    assert isinstance(stored, Denoiser)
    prompts = random_inputs(generator.source)
    source, noise = generator.encode(prompts), generator.noise(range(len(prompts)))
    differences = torch.stack(
        [predict(stored, noise, time, source) - predict(generator.model, noise, time, source) for time in TIMES]
    )
    steps = 255 * generator.model.pixel_deviation * differences.abs()
    return PixelDeviation(steps.max().item(), steps.mean().item(), len(TIMES) * len(prompts))


def predict(model: Denoiser, noise: Images, time: float, source: Tensor) -> Images:
    """Return the predicted clean images."""
    predicted: Tensor = model(noise, noise.new_full(noise.shape[:1], time), source)
    return predicted.float()
