"""Prepared images: what is read is what was written, and records share images."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from regard.data.images.store import ImageFile, ImageWriter, join_images
from regard.errors import RegardError


def write(stem: Path, images: np.ndarray, records: list[int]) -> None:
    """Write images, the n-th with ``records[n]`` records."""
    with ImageWriter(stem, images.shape[1]) as writer:
        for image, count in zip(images, records, strict=True):
            writer.append("", image)
            for _ in range(count):
                writer.add_record()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)


def test_images_of_joined_files_are_read_by_record(tmp_path: Path, images: np.ndarray) -> None:
    write(tmp_path / "a", images[:2], [2, 1])
    write(tmp_path / "b", images[2:], [1, 3, 1])
    join_images([tmp_path / "a", tmp_path / "b"], tmp_path / "train.image")
    file = ImageFile(tmp_path / "train.image")
    expected = [0, 0, 1, 2, 3, 3, 3, 4]
    assert [file.number(record) for record in range(len(file))] == expected
    for read in (file, pickle.loads(pickle.dumps(file))):
        assert all(np.array_equal(read[record], images[number]) for record, number in enumerate(expected))


def test_a_damaged_file_is_reported(tmp_path: Path, images: np.ndarray) -> None:
    write(tmp_path / "a", images, [1] * 5)
    (tmp_path / "a.pixels").write_bytes(b"short")
    with pytest.raises(RegardError, match=r"is damaged at a \(a\.pixels has 5 bytes, expected 540\); remove"):
        ImageFile(tmp_path / "a")
