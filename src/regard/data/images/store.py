"""Prepared images on disk: written one by one, read through a memory map."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from regard.data.images.image import Pixels, resize
from regard.data.prepare.store import MappedArray, with_suffix
from regard.errors import RegardError


class ImageWriter:
    """Writes images to ``<stem>.pixels``, and the number of the image of each record to ``<stem>.rows``.

    A context manager: ``<stem>.json`` (size, images, records) is written at its end, unless there was an error. Holds
    no image in memory.

    Args:
        stem: path without suffix.
        size: side of the square images.
    """

    def __init__(self, stem: Path, size: int) -> None:
        self.stem, self.size = stem, size
        self.images = self.records = 0
        self._pixels = with_suffix(stem, "pixels").open("wb")
        self._rows = with_suffix(stem, "rows").open("wb")

    def append(self, reference: str, pixels: Pixels) -> None:
        """Append an image, resized; the records added next belong to it."""
        self._pixels.write(resize(pixels, self.size).tobytes())
        self.images += 1

    def add_record(self) -> None:
        """Add a record of the last image."""
        self._rows.write(np.array([self.images - 1], dtype="<i8").tobytes())
        self.records += 1

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._pixels.close()
        finally:
            self._rows.close()
        if kind is None:
            _write_about(self.stem, self.size, self.images, self.records)


def join_images(parts: Sequence[Path], stem: Path) -> None:
    """Concatenate image files into one.

    Args:
        parts: at least one path without suffix.
    """
    images = records = size = 0
    with with_suffix(stem, "pixels").open("wb") as pixels, with_suffix(stem, "rows").open("wb") as rows:
        for part in parts:
            with with_suffix(part, "pixels").open("rb") as file:
                shutil.copyfileobj(file, pixels, 1 << 22)
            about = json.loads(with_suffix(part, "json").read_text(encoding="utf-8"))
            rows.write((np.fromfile(with_suffix(part, "rows"), dtype="<i8") + images).tobytes())
            size, images, records = about["size"], images + about["images"], records + about["records"]
    _write_about(stem, size, images, records)


def image_files(stem: Path) -> list[Path]:
    """Return the files that contain the images, which are equal for equal images of equal records."""
    return [with_suffix(stem, suffix) for suffix in ("pixels", "rows")]


class ImageFile:
    """Memory-mapped images of an `ImageWriter`, by record. Pickling stores the path only.

    Raises:
        RegardError: a file is missing or does not have the length that was written.
    """

    def __init__(self, stem: Path) -> None:
        self.stem = stem
        try:
            about = json.loads(with_suffix(stem, "json").read_text(encoding="utf-8"))
            self.size: int = about["size"]
            self._image = 3 * self.size**2
            self._pixels = MappedArray(with_suffix(stem, "pixels"), np.dtype(np.uint8), about["images"] * self._image)
            self._rows = MappedArray(with_suffix(stem, "rows"), np.dtype("<i8"), about["records"])
        except (OSError, ValueError, KeyError) as error:
            raise RegardError(
                f"the prepared data in {stem.parent} is damaged at {stem.name} ({error}); "
                "remove that folder, and it will be made again"
            ) from error

    def __reduce__(self) -> tuple[type[ImageFile], tuple[Path]]:
        return ImageFile, (self.stem,)

    def __len__(self) -> int:
        return len(self._rows.array)

    def __getitem__(self, record: int) -> Pixels:
        """Return a copy of the image of a record, RGB "height width channel"."""
        begin = self.number(record) * self._image
        flat = self._pixels.read(begin, begin + self._image).copy()
        pixels: npt.NDArray[np.uint8] = flat.reshape(self.size, self.size, 3)
        return pixels

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number of the image of each record, Int64 "records". Read at each call and not stored."""
        numbers = self._rows.array.astype(np.int64)
        self._rows.release()
        return numbers

    def is_first(self, record: int) -> bool:
        """Return whether a record is the first one of its image."""
        return record == 0 or self.number(record) != self.number(record - 1)

    def number(self, record: int) -> int:
        """Return the number of the image of a record, which consecutive records may share."""
        return int(self._rows.read(record, record + 1)[0])


def _write_about(stem: Path, size: int, images: int, records: int) -> None:
    text = json.dumps({"size": size, "images": images, "records": records})
    with_suffix(stem, "json").write_text(text, encoding="utf-8")
