"""A trained model that draws images from prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.images.image import Pixels
from regard.data.sources.text import TextSource
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.errors import UsageError
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.rectified_flow import draw
from regard.inference.generator import EmbeddingTable
from regard.model.denoiser.denoiser import Denoiser

IMAGES_TOGETHER = 32
SEEDS = 1 << 64
"""Number of seeds that torch accepts; greater ones start again with 0."""


class Wanted(NamedTuple):
    """An image to draw: its prompt, and the seed of its noise."""

    prompt: str
    seed: int


class TextToImage:
    """A model that draws. The source is a prompt. See `regard.inference.generator.Generator`."""

    noun: ClassVar[str] = "an image model"
    verb: ClassVar[str] = "generate"
    source_option: ClassVar[str | None] = "--prompt"
    input_noun: ClassVar[str] = "a prompt"
    input_files: ClassVar[str | None] = None

    def __init__(self, model: Denoiser, tokenizers: Tokenizers) -> None:
        self.model = model
        self.tokenizer = tokenizers.target
        self.source = TextSource(self.tokenizer, model.max_length)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def read_prompt(self, prompt: str, where: str) -> str:
        """Check a prompt and return it; ``where`` names it in messages.

        Raises UsageError if it is blank, or longer than the limit of the model.
        """
        if not prompt.strip():
            raise UsageError(f"{where} is empty: expected {self.input_noun}")
        tokens, most = len(self.tokenizer.encode(prompt)), self.model.max_length - 1
        if tokens > most:
            raise UsageError(f"{where} has {tokens} tokens, and the model reads at most {most}; shorten it")
        return prompt

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Return the tokens of prompts on the device of the model, Int "batch source", cut to its limit."""
        examples, _ = self.source.encode(list(prompts))
        return self.source.collate(examples).to(self.device)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Return the noise from which images are drawn, each from its own seed: the same on every device."""
        size = self.model.decoder.image_size
        rows = [torch.randn(3, size, size, generator=torch.Generator().manual_seed(seed % SEEDS)) for seed in seeds]
        return torch.stack(rows).to(self.device)

    def draw(self, wanted: Sequence[Wanted], drawing: Drawing) -> Iterator[Pixels]:
        """Yield the images in order. An image does not depend on the others, apart from rounding."""
        for start in range(0, len(wanted), IMAGES_TOGETHER):
            chunk = wanted[start : start + IMAGES_TOGETHER]
            source, noise = self.encode([each.prompt for each in chunk]), self.noise([each.seed for each in chunk])
            *_, last = draw(self.model, source, noise, drawing)
            yield from self.pixels(last.noisy)

    def pixels(self, normalised: Tensor) -> list[Pixels]:
        """Return images of the model as RGB "height width channel"."""
        images: np.ndarray = self.model.as_images(normalised).permute(0, 2, 3, 1).cpu().numpy()
        return list(images)

    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """Return the embedding of the prompts."""
        return {"source": EmbeddingTable(self.model.embedding, self.tokenizer)}

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""
        return [
            f"regard generate {run} --prompt {example} --number 8 --output images",
            f"regard attend {run} --prompt {example}",
        ]
