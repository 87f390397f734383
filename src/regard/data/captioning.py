"""The LightningDataModule of captioning: batches of images and captions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from regard.data.batching import Batch, Indices, Item, Plan, PlannedBatch
from regard.data.corpora.corpus import IMAGE_CAPTION, ImageCorpus, Split
from regard.data.corpora.filters import Filter
from regard.data.datamodule import NO_LIMITS, CorpusData, Limits
from regard.data.images.augment import Augmentation
from regard.data.images.image import Image, resize
from regard.data.images.originals import OriginalImages
from regard.data.images.store import ImageFile
from regard.data.prepare.images import ImageSettings
from regard.data.prepare.progress import Progress
from regard.data.prepare.store import TokenFile
from regard.data.shuffle import Shuffle, fixed_sample
from regard.data.sources.image import as_tensor
from regard.data.teacher_forcing import forced_batch
from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.errors import RegardError


class CaptioningData(CorpusData):
    """Batches of images and captions of similar length. See `CorpusData` for the other arguments.

    images_per_batch: images of a training micro-batch
    evaluation_images_per_batch: the same in validation and test
    max_length: captions of more tokens, including </s>, are dropped from training, and truncated in validation and test
    image_size: side of the square images that the encoder reads, in pixels
    max_unreadable: largest share of images that cannot be read; they are skipped
    store_images: store all images as squares of ``image_size`` when the data is prepared; False to decode the original
        images for each batch
    augmentation: random changes of training images; None for none
    """

    columns = IMAGE_CAPTION

    images_are_targets: ClassVar[bool] = False
    """Whether a target is an image, and not a token of a caption."""

    def __init__(
        self,
        corpus: ImageCorpus,
        tokenizer: TokenizerSettings,
        cache: str,
        images_per_batch: int,
        evaluation_images_per_batch: int,
        max_length: int,
        image_size: int,
        seed: int,
        workers: int = 0,
        max_unreadable: float = 0.0,
        store_images: bool = True,
        augmentation: Augmentation | None = None,
        filters: Mapping[str, Filter] | None = None,
        preparation_workers: int | None = None,
        tokenizers: Tokenizers | None = None,
        limits: Limits = NO_LIMITS,
        say: Callable[[str], None] = print,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(
            corpus, tokenizer, cache, seed, workers, filters, preparation_workers, tokenizers, limits, say, progress
        )
        self.image_corpus = corpus
        self.images = ImageSettings(image_size if store_images else None, max_unreadable)
        self.image_size, self.store_images, self.augmentation = image_size, store_images, augmentation
        self.images_per_batch = images_per_batch
        self.evaluation_images_per_batch = evaluation_images_per_batch
        self.max_length = max_length

    @property
    def dataset(self) -> type[ImagesAndCaptions]:
        """The class of the batches."""
        return ImagesAndCaptions

    def inputs(self, values: Sequence[str]) -> list[Any]:
        """Return the images that these values of the first column name."""
        corpus = self.image_corpus
        return [Image(corpus.read_image(value), corpus.image_name(value)) for value in values]

    def example(self, folder: Path) -> str:
        """Write the image of the first validation record to ``folder``; return its path."""
        import PIL.Image

        path = folder / "example.png"
        reference = next(self.records("validation"))[0]
        PIL.Image.fromarray(self.image_corpus.read_image(reference)).save(path)
        return str(path)

    def training(self) -> tuple[Dataset[Batch], Plan]:
        """Return the captions within ``max_length``, in batches that are shuffled in every epoch.

        Raises RegardError if there are none.
        """
        captions = self.prepared.tokens("train")[0]
        if not self._count_short("train", "dropped"):
            raise RegardError(
                f"no training caption has at most model.max_length={self.max_length} tokens; "
                "raise it, or give shorter captions"
            )
        plan = CaptionPlan(captions, self.max_length, self.images_per_batch, self.seed, self.images_are_targets)
        return self._batches("train", self.augmentation), plan

    def first_places(self, split: Split, rows: Sequence[int]) -> list[int]:
        """Return the places in ``rows`` of the records that are the first of their image."""
        images = self.read_images(split)
        return [place for place, row in enumerate(rows) if images.is_first(row)]

    def evaluation(self, split: Split, limit: int | float | None = None) -> tuple[Dataset[Batch], list[Item]]:
        """Return all captions, in batches of similar length.

        With a ``limit``, they are all captions of a random sample of images.
        """
        self._count_short(split, f"truncated to {self.max_length}")
        captions = self.prepared.tokens(split)[0]
        rows = np.arange(len(captions))
        if limit is not None:
            rows = self._sample(split, limit)
            self.report_sample(split, len(rows), len(captions), "captions")
        lengths = np.minimum(captions.lengths_of(rows) + 1, self.max_length)
        order = rows[np.argsort(lengths, kind="stable")]
        batches = np.split(order, range(self.evaluation_images_per_batch, len(order), self.evaluation_images_per_batch))
        items = [Item(batch.tolist(), 0, -1) for batch in batches]
        return self._batches(split), items

    def read_images(self, split: Split) -> ImageFile | OriginalImages:
        """Return the image of each record: a square of ``image_size`` pixels if images are stored, else of any size."""
        if self.store_images:
            return self.prepared.images(split)
        return OriginalImages(self.prepared.references(split), self.image_corpus)

    def _batches(self, split: Split, augmentation: Augmentation | None = None) -> Dataset[Batch]:
        images, captions = self.read_images(split), self.prepared.tokens(split)[0]
        tokenizer, make = self.prepared.target_tokenizer, self.dataset
        return make(images, self.image_size, captions, self.max_length, tokenizer, augmentation, self.seed)

    def _sample(self, split: Split, limit: int | float) -> Indices:
        """Return the rows of a random sample of images: at most ``limit`` batches, or a share of the images."""
        numbers = self.read_images(split).numbers
        count = int(numbers[-1]) + 1

        def rows(size: int) -> Indices:
            return np.flatnonzero(np.isin(numbers, fixed_sample(count, size)))

        if not isinstance(limit, int):
            return rows(max(1, int(limit * count)))
        most = limit * self.evaluation_images_per_batch
        # A larger sample contains the smaller ones.
        size = bisect_right(range(1, min(count, most) + 1), most, key=lambda size: len(rows(size)))
        return rows(max(1, size))

    def _count_short(self, split: Split, fate: str) -> int:
        """Return the number of captions within ``max_length``. Report how many are longer, and their ``fate``."""
        captions = self.prepared.tokens(split)[0]
        if self.prepared.report[split]["columns"][self.columns[-1]]["longest"] < self.max_length:
            return len(captions)
        short = int((captions.lengths < self.max_length).sum())
        if short < len(captions):
            self.say(
                f"{len(captions) - short:,} of {len(captions):,} {split} captions have more than "
                f"{self.max_length} tokens (model.max_length) and are {fate}"
            )
        return short


class CaptionPlan:
    """The batches of every epoch: captions of similar length, ``images_per_batch`` at a time.

    The captions of a pool are sorted by length and split into batches, and the batches are shuffled. Captions of more
    than ``max_length`` tokens, including </s>, are dropped. A target is a token of a caption, or with
    ``images_are_targets`` an image.
    """

    def __init__(
        self, captions: TokenFile, max_length: int, images_per_batch: int, seed: int, images_are_targets: bool
    ) -> None:
        self.captions, self.max_length, self.images_per_batch = captions, max_length, images_per_batch
        self.images_are_targets = images_are_targets
        self.shuffle = Shuffle(len(captions), seed)

    def pools(self, epoch: int) -> int:
        """See `Plan`."""
        return self.shuffle.pools

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """See `Plan`."""
        rows, random = self.shuffle.pool(epoch, number)
        lengths = self.captions.lengths_of(rows) + 1
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] <= self.max_length]
        batches = np.split(order, range(self.images_per_batch, len(order), self.images_per_batch))
        if self.images_are_targets:
            lengths = np.ones_like(lengths)
        return [
            PlannedBatch(rows[batches[place]], int(lengths[batches[place]].sum()))
            for place in random.permutation(len(batches)).tolist()
        ]


class ImagesAndCaptions(Dataset[Batch]):
    """Batches of images and captions of one split, each described by an `Item`.

    Images are squares of ``size`` pixels. The augmentation of an image is a function of the seed, the position of its
    batch in the stream and its row.
    """

    def __init__(
        self,
        images: ImageFile | OriginalImages,
        size: int,
        captions: TokenFile,
        max_length: int,
        tokenizer: Tokenizer,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.images, self.size, self.captions, self.max_length = images, size, captions, max_length
        self.tokenizer, self.augmentation, self.seed = tokenizer, augmentation, seed

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, item: Item) -> Batch:
        captions = [self.captions[row].tolist() for row in item.rows]
        ended = [[*ids[: self.max_length - 1], EOS] for ids in captions]
        images = [self._image(row, ids, item.position) for row, ids in zip(item.rows, captions, strict=True)]
        return self.make_batch(torch.stack(images), ended, item)

    def make_batch(self, images: Tensor, captions: list[list[int]], item: Item) -> Batch:
        """Return the batch of images and of the tokens of their captions, which end with </s>."""
        return forced_batch(images, captions, item.rows, item.step_tokens)

    def _image(self, row: int, caption: list[int], position: int) -> Tensor:
        pixels = self.images[row]
        if self.augmentation is None:
            return as_tensor(resize(pixels, self.size))
        seed = int(np.random.SeedSequence([self.seed, position, row]).generate_state(1, np.uint64)[0])
        return as_tensor(self.augmentation(pixels, self.size, self.tokenizer.decode(caption), seed))
