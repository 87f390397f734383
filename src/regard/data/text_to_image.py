"""The LightningDataModule of text to image: the batches of captioning with source and target exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from regard.data.batching import Batch, Item, pad
from regard.data.captioning import CaptioningData, ImagesAndCaptions
from regard.data.example_text import example_text


class TextToImageData(CaptioningData):
    """Batches of prompts and images. The prompts are the captions of a corpus for captioning.

    A target is an image. See `CaptioningData` for the arguments.
    """

    images_are_targets: ClassVar[bool] = True

    @property
    def dataset(self) -> type[ImagesAndCaptions]:
        """The class of the batches."""
        return PromptsAndImages

    def inputs(self, values: Sequence[str]) -> list[str]:
        """Return the inputs of a generator that these prompts stand for: the prompts themselves."""
        return list(values)

    def example(self, folder: Path) -> str:
        """Return the first prompt of the validation part."""
        return example_text(prompt for _, prompt in self.records("validation"))


class PromptsAndImages(ImagesAndCaptions):
    """Batches of prompts and images of one split. See `ImagesAndCaptions`."""

    def make_batch(self, images: Tensor, captions: list[list[int]], item: Item) -> Batch:
        """Return a batch whose source is the prompts and whose target is the images, UInt8 "batch 3 size size"."""
        return Batch(
            prefix=images.new_empty(len(images), 0),
            target=images,
            source=pad(captions),
            documents=None,
            step_tokens=item.step_tokens,
            rows=item.rows,
        )
