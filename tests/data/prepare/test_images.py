"""Preparing images: in parallel, resumable, and with unreadable ones named and left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regard.data.corpora.corpus import IMAGE_CAPTION, Split
from regard.data.images.originals import OriginalImages
from regard.data.prepare import images, shards, stages
from regard.data.prepare.images import ImageSettings
from regard.data.prepare.prepare import Prepared, prepare
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError

BYTES = TokenizerSettings(kind="byte")


class Numbered:
    """Images of one colour, each with as many captions as its number modulo 3, plus one; some cannot be read."""

    columns = IMAGE_CAPTION

    def __init__(self, count: int, unreadable: tuple[int, ...] = (), dies_at: int | None = None) -> None:
        self.count, self.unreadable, self.dies_at = count, unreadable, dies_at

    def check(self) -> None:
        pass

    def fingerprint(self) -> dict[str, object]:
        return {"corpus": "numbered", "count": self.count, "unreadable": list(self.unreadable)}

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        first, count = {"train": (0, self.count), "validation": (1000, 4), "test": (2000, 4)}[split]
        for number in range(first, first + count):
            for caption in range(number % 3 + 1):
                yield f"image {number}", f"caption {caption} of {number}"

    def read_image(self, reference: str) -> np.ndarray:
        number = int(reference.removeprefix("image "))
        if number == self.dies_at:
            raise KeyboardInterrupt
        if number in self.unreadable:
            raise RegardError("damaged image (no pixels)")
        return np.full((6, 6, 3), number % 256, dtype=np.uint8)

    def image_name(self, reference: str) -> str:
        return reference


def make(
    folder: Path,
    corpus: Numbered,
    share: float = 0.0,
    workers: int = 1,
    said: list[str] | None = None,
    size: int | None = 4,
) -> Prepared:
    say: Any = (said if said is not None else []).append
    return prepare(corpus, BYTES, folder / "cache", say, None, workers, None, None, ImageSettings(size, share))


def content(prepared: Prepared, split: Split) -> list[tuple[int, str]]:
    """The colour of the image and the caption of each record."""
    file, (captions,) = prepared.images(split), prepared.tokens(split)
    assert len(file) == len(captions)
    decode = prepared.target_tokenizer.decode
    return [(int(file[row].mean()), decode(captions[row].tolist())) for row in range(len(file))]


def expected(corpus: Numbered, split: Split) -> list[tuple[int, str]]:
    numbers = [(int(reference.split()[1]), caption) for reference, caption in corpus.records(split)]
    return [(number % 256, caption) for number, caption in numbers if number not in corpus.unreadable]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_RECORDS", 10)


def test_every_caption_has_its_image(tmp_path: Path) -> None:
    corpus = Numbered(30)
    prepared = make(tmp_path, corpus)
    for split in ("train", "validation", "test"):
        assert content(prepared, split) == expected(corpus, split)
    assert prepared.images("train").size == 4


def test_workers_write_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regard.data.corpora.shapes.shapes import Shapes

    corpus: Any = Shapes(size=40, validation_size=5, test_size=5)
    alone = make(tmp_path / "alone", corpus)
    monkeypatch.setattr(images, "ALONE", 0)
    several = make(tmp_path / "several", corpus, workers=2)
    assert alone.digest == several.digest
    assert (several.folder / "train.image.pixels").read_bytes() == (alone.folder / "train.image.pixels").read_bytes()
    references = make(tmp_path / "references", corpus, workers=2, size=None).references("test")
    assert bytes(references[0].tolist()).decode() == next(corpus.records("test"))[0]


def test_unreadable_images_are_named_and_left_out_up_to_a_share(tmp_path: Path) -> None:
    corpus, said = Numbered(30, unreadable=(3, 7, 29, 1001)), []
    prepared = make(tmp_path, corpus, share=0.2, said=said)
    for split in ("train", "validation", "test"):
        assert content(prepared, split) == expected(corpus, split)
    message = "4 of 38 images cannot be read; the first is image 3: damaged image (no pixels)"
    assert f"skipped: {message}" in said
    assert list(prepared.records("validation")) == [r for r in corpus.records("validation") if r[0] != "image 1001"]
    with pytest.raises(RegardError, match=r"4 of 38 images cannot .* or raise batches\.max_unreadable=0\.1$"):
        make(tmp_path / "strict", corpus, share=0.1)
    with pytest.raises(RegardError, match=r"^data\.train: no image can be read; give at least one that can$"):
        make(tmp_path / "none", Numbered(2, unreadable=(0, 1)), share=1.0)


def test_original_images_are_read_and_their_references_stored(tmp_path: Path) -> None:
    corpus, said = Numbered(30, unreadable=(3, 7, 29, 1001)), []
    prepared = make(tmp_path, corpus, share=0.2, said=said, size=None)
    assert "skipped: 4 of 38 images cannot be read; the first is image 3: damaged image (no pixels)" in said
    for split in ("train", "validation", "test"):
        images, (captions,) = OriginalImages(prepared.references(split), corpus), prepared.tokens(split)
        assert len(images) == len(captions)
        found = [
            (int(images[row].mean()), prepared.target_tokenizer.decode(captions[row].tolist()))
            for row in range(len(images))
        ]
        assert found == expected(corpus, split)
    assert not list(prepared.folder.glob("*.pixels"))
    assert images[0].shape == (6, 6, 3), "images are not resized"


def test_an_original_image_that_has_become_unreadable_is_named(tmp_path: Path) -> None:
    corpus = Numbered(5)
    images = OriginalImages(make(tmp_path, corpus, size=None).references("train"), corpus)
    corpus.unreadable = (0,)
    with pytest.raises(RegardError, match=r"^image 0: damaged image \(no pixels\); it could be read when the data"):
        images[0]


def test_preparing_resumes_after_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, Numbered(30, dies_at=20))
    read: list[str] = []
    corpus = Numbered(30)
    monkeypatch.setattr(corpus, "read_image", lambda name: read.append(name) or Numbered.read_image(corpus, name))
    assert content(make(tmp_path, corpus), "train") == expected(corpus, "train")
    assert "image 20" in read
    assert "image 0" not in read, "finished shards are not read again"


def test_other_sizes_and_settings_are_other_prepared_data(tmp_path: Path) -> None:
    corpus = Numbered(5)
    folders = {
        prepare(corpus, BYTES, tmp_path, print, None, 1, None, None, settings).folder
        for settings in (ImageSettings(4, 0.0), ImageSettings(5, 0.0), ImageSettings(4, 0.5), ImageSettings(4, 0.0))
    }
    assert len(folders) == 3


def test_a_corpus_without_the_method_is_an_error(tmp_path: Path) -> None:
    class Bare(Numbered):
        read_image = None

    with pytest.raises(TypeError, match="no method read_image"):
        stages.run_stages(tmp_path / "p", Bare(3), BYTES, None, ImageSettings(4, 0.0), {}, 1, print, lambda *_: None)
