"""Rectified flow: the error of the velocity from noise to image (Liu et al. 2023)."""

from __future__ import annotations

from statistics import NormalDist, fmean
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regard.data.batching import Batch
from regard.inference.drawing.rectified_flow import Times, mix, remaining, without_prompt
from regard.model.denoiser.denoiser import Denoiser

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the times of training: those of an evaluation, whose mean loss is comparable with that of training."""


class RectifiedFlow:
    """The mean squared error of the velocity, per value of a pixel.

    The model predicts the clean image. The error of the velocity is that of the image divided by 1 - t (Li and He 2025,
    Back to Basics: Let Denoising Generative Models Denoise). Times have a logit-normal distribution (Esser et al. 2024,
    section 3.1).

    time_mean, time_deviation: of the logit of the time, 0 for noise and 1 for the image
    prompts_dropped: share of the prompts that are replaced by an empty one, for guidance (Ho and Salimans 2022)
    """

    unit: ClassVar[str] = "images"

    def __init__(self, time_mean: float, time_deviation: float, prompts_dropped: float) -> None:
        self.time_mean, self.time_deviation, self.prompts_dropped = time_mean, time_deviation, prompts_dropped
        logits = NormalDist(time_mean, time_deviation)
        self.times = torch.tensor([logits.inv_cdf(quantile) for quantile in QUANTILES]).sigmoid().tolist()

    def compile(self) -> None:
        """See `regard.training.objectives.objective.Objective`: nothing here takes much time."""

    def share(self, model: Denoiser, batch: Batch) -> Tensor:
        """Return the share of a batch in the loss of its optimizer step."""
        source, images = _source(batch), model.normalise(batch.target)
        rows = len(images)
        times = torch.sigmoid(self.time_mean + self.time_deviation * torch.randn(rows, device=images.device))
        dropped = torch.rand(rows, 1, device=images.device) < self.prompts_dropped
        source = torch.where(dropped, without_prompt(source), source)
        errors = _errors(model, images, torch.randn_like(images), times, source)
        return errors.sum() / batch.step_tokens

    def sums(self, model: Denoiser, batch: Batch) -> Tensor:
        """Return the errors at each of the times of an evaluation, and the number of images.

        The noise of a row is a function of its number, the same at all times.
        """
        source, images = _source(batch), model.normalise(batch.target)
        noise = torch.stack([_noise(row, images[place]) for place, row in enumerate(batch.rows)])
        sums = [
            _errors(model, images, noise, images.new_full(images.shape[:1], time), source).sum() for time in self.times
        ]
        return torch.stack([*sums, images.new_tensor(len(images))])

    def metrics(self, sums: Tensor) -> dict[str, float]:
        """Return the mean loss, and the loss at each time, such as ``loss_at_0.14``; 0 is noise, 1 is the image."""
        *totals, count = sums.tolist()
        losses = {f"loss_at_{time:.2f}": total / count for time, total in zip(self.times, totals, strict=True)}
        return {"loss": fmean(losses.values())} | losses


def _source(batch: Batch) -> Tensor:
    if batch.source is None:
        raise TypeError("a denoiser is trained on prompts")
    return batch.source


def _errors(model: Denoiser, images: Tensor, noise: Tensor, time: Times, source: Tensor) -> Float[Tensor, " batch"]:
    """Return the squared error of the velocity of each image, the mean over its values."""
    predicted: Tensor = model(mix(images, noise, time), time, source)
    return ((predicted.float() - images) / remaining(time)).square().mean(dim=(1, 2, 3))


def _noise(row: int, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(row)).to(like.device)
