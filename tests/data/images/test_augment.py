"""Augmented images fit their captions, and are a function of the seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regard.data.images.augment import Augmentation
from regard.data.images.image import resize


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "caption", ["a dog left of a cat", "A man turns RIGHT.", "left-handed", "the leftmost house", "looking rightwards"]
)
def test_an_image_whose_caption_names_a_side_is_never_mirrored(image: np.ndarray, caption: str) -> None:
    augment, plain = Augmentation(flip=1.0), resize(image, 20)
    assert all(np.array_equal(augment(image, 20, caption, seed), plain) for seed in range(20))


@pytest.mark.parametrize("caption", ["a dog above a cat", "a bright light", "copyright 1990", "a cleft"])
def test_other_images_are_mirrored(image: np.ndarray, caption: str) -> None:
    assert np.array_equal(Augmentation(flip=1.0)(image, 20, caption, 0), resize(image, 20)[:, ::-1])
    found = [Augmentation(flip=0.5)(image, 20, caption, seed) for seed in range(100)]
    assert 30 < sum(np.array_equal(each, resize(image, 20)) for each in found) < 70


def test_crops_are_taken_from_the_whole_resolution() -> None:
    """Stripes of four pixels, which are grey in an image of 40 pixels, can be seen in small crops of 400."""
    image = np.zeros((400, 400, 3), dtype=np.uint8)
    image[:, np.arange(400) % 8 < 4] = 255
    augment = Augmentation(crop=0.02)
    assert max(augment(image, 40, "", seed).std() for seed in range(40)) > 60
    assert max(augment(resize(image, 40), 40, "", seed).std() for seed in range(40)) < 30


def test_colours_change_but_not_the_hue() -> None:
    image = np.full((8, 8, 3), (200, 40, 40), dtype=np.uint8)
    found = [Augmentation(colour=0.3)(image, 8, "", seed)[0, 0].astype(int) for seed in range(20)]
    assert len({tuple(each) for each in found}) > 10
    assert all(each[0] > each[1] and abs(each[1] - each[2]) <= 2 for each in found)


def test_the_result_depends_on_the_seed_and_not_on_the_global_random_state(image: np.ndarray) -> None:
    augment = Augmentation(crop=0.5, flip=0.5, colour=0.3)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = augment(image, 20, "", 7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert np.array_equal(augment(image, 20, "", 7), first)
    assert not np.array_equal(augment(image, 20, "", 8), first)
