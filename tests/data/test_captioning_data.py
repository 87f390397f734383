"""Batches of images and captions: every caption once, with its image, in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from regard.data.batching import Item
from regard.data.captioning import CaptioningData
from regard.data.corpora.captions.files import Captions
from regard.data.corpora.shapes.shapes import Shapes
from regard.data.images.augment import Augmentation
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import UsageError

SETTINGS = TokenizerSettings(vocab_size=60, byte_fallback=False, normalization="identity")

AUGMENTATION = Augmentation(crop=0.5, flip=0.5, colour=0.3)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CaptioningData]:
    cache = tmp_path_factory.mktemp("cache")
    corpus: Any = Shapes(size=100, validation_size=30, test_size=10, held_out_size=5)

    def make(**options: Any) -> CaptioningData:
        arguments = {"images_per_batch": 8, "evaluation_images_per_batch": 16, "max_length": 60, "image_size": 32}
        return CaptioningData(
            corpus, SETTINGS, str(cache), **(arguments | {"seed": 1} | options), say=lambda text: None
        )

    return make


def epoch(data: CaptioningData, number: int) -> list[list[int]]:
    _, plan = data.training()
    return [planned.rows.tolist() for pool in range(plan.pools(number)) for planned in plan.pool(number, pool)]


def test_an_epoch_has_every_caption_once_in_another_order(make: Callable[..., CaptioningData]) -> None:
    first, second = (epoch(make(), number) for number in (0, 1))
    for batches in (first, second):
        assert sorted(row for batch in batches for row in batch) == list(range(100))
        assert max(map(len, batches)) == 8
    assert first != second
    assert first == epoch(make(), 0)


def test_a_batch_has_the_image_of_each_caption(make: Callable[..., CaptioningData]) -> None:
    data = make(image_size=48)
    dataset, (item, *_) = data.evaluation("validation")
    batch = dataset[item]
    records = list(data.records("validation"))
    assert (batch.source.shape, batch.source.dtype) == ((16, 3, 48, 48), torch.uint8)
    for place, row in enumerate(item.rows):
        reference, caption = records[row]
        assert np.array_equal(batch.source[place].permute(1, 2, 0).numpy(), data.image_corpus.read_image(reference))
        ids = [token for token in batch.target[place].tolist() if token != PAD]
        assert (batch.prefix[place, 0].item(), ids[-1]) == (BOS, EOS)
        assert data.prepared.target_tokenizer.decode(ids) == caption


def test_long_captions_are_dropped_from_training_and_truncated_in_evaluation(
    make: Callable[..., CaptioningData],
) -> None:
    data = make(max_length=20)
    lengths = data.prepared.tokens("train")[0].lengths + 1
    rows = [row for batch in epoch(data, 0) for row in batch]
    assert sorted(rows) == np.flatnonzero(lengths <= 20).tolist()
    assert 0 < len(rows) < 100
    dataset, items = data.evaluation("validation")
    assert sum(len(item.rows) for item in items) == 30
    assert max(dataset[item].target.shape[1] for item in items) == 20


@pytest.mark.parametrize(("limit", "expected"), [(1, 16), (0.2, 6), (9, 30)])
def test_an_evaluation_can_be_limited_to_a_fixed_sample(
    make: Callable[..., CaptioningData], limit: int | float, expected: int
) -> None:
    samples = [[row for item in make().evaluation("validation", limit)[1] for row in item.rows] for _ in range(2)]
    assert samples[0] == samples[1]
    assert len(set(samples[0])) == expected


def test_an_example_is_written_as_a_file(make: Callable[..., CaptioningData], tmp_path: Path) -> None:
    data = make(image_size=48)
    path = Path(data.example(tmp_path))
    reference = next(data.records("validation"))[0]
    assert np.array_equal(np.asarray(PIL.Image.open(path)), data.image_corpus.read_image(reference))


def test_a_corpus_of_text_is_refused(tmp_path: Path) -> None:
    from regard.data.corpora.phrases.phrases import Phrases

    corpus: Any = Phrases()
    with pytest.raises(UsageError, match="this task reads image, caption"):
        CaptioningData(corpus, SETTINGS, str(tmp_path), 8, 8, 20, 32, seed=1)


def test_original_images_give_the_same_batches(make: Callable[..., CaptioningData]) -> None:
    """With scenes of 48 pixels, resized to 32."""
    stored, original = make(), make(store_images=False)
    assert stored.prepared.folder != original.prepared.folder
    assert not list(original.prepared.folder.glob("*.pixels"))
    for split in ("validation", "test"):
        (one, items), (other, _) = stored.evaluation(split), original.evaluation(split)
        for item in items:
            assert torch.equal(one[item].source, other[item].source)
            assert torch.equal(one[item].target, other[item].target)
    assert epoch(stored, 0) == epoch(original, 0)
    item = Item(epoch(stored, 0)[0], 1, 0)
    assert torch.equal(stored.training()[0][item].source, original.training()[0][item].source)


@pytest.mark.parametrize("store_images", [True, False])
def test_only_training_images_are_augmented(make: Callable[..., CaptioningData], store_images: bool) -> None:
    """The result is a function of the seed, the position in the stream and the row, in any process."""
    plain, augmented = (make(augmentation=each, store_images=store_images) for each in (None, AUGMENTATION))
    item = plain.evaluation("validation")[1][0]
    sources = [each.evaluation("validation")[0][item].source for each in (plain, augmented)]
    assert torch.equal(*sources)
    rows = [3, 1, 4]
    dataset = augmented.training()[0]
    once = dataset[Item(rows, 1, 5)].source
    assert not torch.equal(once, plain.training()[0][Item(rows, 1, 5)].source)
    assert torch.equal(once, dataset[Item(rows, 1, 5)].source)
    assert torch.equal(once[1:], dataset[Item(rows[1:], 1, 5)].source)
    assert not torch.equal(once, dataset[Item(rows, 1, 6)].source)
    assert not torch.equal(once, make(augmentation=AUGMENTATION, seed=2).training()[0][Item(rows, 1, 5)].source)
    loader = make(augmentation=AUGMENTATION, store_images=store_images, workers=1)._loader(dataset, [Item(rows, 1, 5)])
    assert torch.equal(next(iter(loader)).source, once)


def test_an_image_is_mirrored_only_if_its_caption_allows_it(make: Callable[..., CaptioningData]) -> None:
    plain, mirrored = (make(augmentation=each).training()[0] for each in (None, Augmentation(flip=1.0)))
    decode = make().prepared.target_tokenizer.decode
    kept = 0
    for row in range(len(plain)):
        before, after = (each[Item([row], 1, 0)].source for each in (plain, mirrored))
        names_a_side = bool({"left", "right"} & set(decode(plain.captions[row].tolist()).split()))
        assert torch.equal(after, before if names_a_side else before.flip(-1))
        kept += names_a_side
    assert 0 < kept < len(plain)


@pytest.mark.parametrize("store_images", [True, False])
def test_the_captions_of_an_image_are_evaluated_together(tmp_path: Path, store_images: bool) -> None:
    """With several captions per image, a sample has whole images, and one row of each is captioned."""
    names = [f"{number}.png" for number in range(12)]
    lines = [f"{name},caption {n} of {name[:-4]}" for name in names for n in range(3)]
    for name in names:
        PIL.Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "captions.csv").write_text("image,caption\n" + "\n".join(lines) + "\n")
    corpus = Captions(str(tmp_path), 0.5)
    settings = TokenizerSettings(kind="byte")
    data = CaptioningData(
        corpus, settings, str(tmp_path / "cache"), 4, 4, 60, 8, seed=1, store_images=store_images, say=lambda text: None
    )
    for limit in (None, 2, 0.5):
        rows = sorted(row for item in data.evaluation("validation", limit)[1] for row in item.rows)
        numbers = data.read_images("validation").numbers[rows]
        assert np.bincount(numbers)[np.unique(numbers)].tolist() == [3] * len(np.unique(numbers))
        assert data.first_places("validation", rows) == list(range(0, len(rows), 3))
    assert len(data.evaluation("validation", 2)[1]) <= 2
