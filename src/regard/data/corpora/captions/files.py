"""The user's images and captions: a table of both, a folder with such a table, or COCO captions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import IMAGE_CAPTION, SPLITS, Record, Split
from regard.data.corpora.parts import FileParts, Part, matching_files
from regard.data.corpora.reading.rows import format_of, read_rows
from regard.data.images.decode import SUFFIXES, decode_file
from regard.errors import RegardError, UsageError

TABLES = ("captions.csv", "captions.tsv", "captions.jsonl")
"""Names of the table in a folder of images."""


class Captions:
    """Images and captions in the user's files. An image may have several captions, in consecutive rows.

    Args:
        train: a table with a row for each caption (CSV, TSV, JSON Lines or Parquet), a folder of images with such a
            table named captions.csv, captions.tsv or captions.jsonl, COCO captions in JSON, or a list of these.
        validation, test: the same, or a share of the training images to hold out (0.05); ``test`` may be None.
        columns: names of the columns of the image and the caption in tables.
        images: the folder of the images that a table names; None for the folder of the table.

    Raises:
        UsageError: ``columns`` are not two names; or as ``FileParts``.
    """

    columns = IMAGE_CAPTION
    FILES = (*SPLITS, "images")

    def __init__(
        self,
        train: Part,
        validation: Part,
        test: Part = None,
        columns: Sequence[str | float] = ("image", "caption"),
        images: str | None = None,
    ) -> None:
        if isinstance(columns, str | int | float) or len(columns) != 2:
            raise UsageError(f"data.columns={columns}: expected two names, of the image and of the caption")
        self.names = [str(name) for name in columns]
        self.images = None if images is None else Path(images).expanduser().absolute()
        self._parts = FileParts(train, validation, test, _tables, _file_name)

    def check(self) -> None:
        """Raise a UsageError, naming the key, for a file or folder that does not exist or has an unknown format."""
        if self.images is not None and not self.images.is_dir():
            raise UsageError(f"data.images={self.images}: no such folder; give the folder of the images")
        self._parts.check(lambda path: path.suffix == ".json" or format_of(path))

    def fingerprint(self) -> dict[str, object]:
        """Return the identity of the tables, and a digest of names, sizes and dates of all images in their folders."""
        folders = sorted({self._folder(path) for split in SPLITS for path in self._parts.files(split)})
        return {
            "corpus": "captions",
            "columns": self.names,
            "files": self._parts.fingerprint(),
            "images": [[str(folder), _digest(folder)] for folder in folders],
        }

    def records(self, split: Split) -> Iterator[Record]:
        """Return the path of an image and its caption for each caption of one part; see ``Corpus.records``.

        Raises:
            RegardError: a row has no image or no caption, an image does not exist, or an image of a folder has no
                caption; names the file, and the row.
        """
        return self._parts.records(split, lambda files: chain.from_iterable(map(self._read, files)))

    def read_image(self, reference: str) -> npt.NDArray[np.uint8]:
        """Decode an image file. See ``ImageCorpus``."""
        return decode_file(Path(reference))

    def image_name(self, reference: str) -> str:
        """Return the name of the file."""
        return Path(reference).name

    def _folder(self, table: Path) -> Path:
        return self.images or table.parent

    def _read(self, path: Path) -> Iterator[Record]:
        rows = _read_coco(path) if path.suffix == ".json" else _read_table(path, self.names)
        folder = self._folder(path)
        captioned = 0
        for name, group in groupby(rows, key=lambda row: row[0]):
            captions = list(group)
            image = folder / name
            if not image.is_file():
                raise RegardError(f"{captions[0][2]}: no image {image}; add it, correct the row, or set data.images")
            captioned += 1
            for _, caption, _ in captions:
                yield str(image), caption
        if path.name in TABLES and self.images is None and sum(1 for _ in _images(folder, below=True)) != captioned:
            _require_captions(path, {row[0] for row in _read_table(path, self.names)})


def _require_captions(table: Path, captioned: set[str]) -> None:
    """Raise RegardError if an image beside a table is not in ``captioned``."""
    for name in sorted(entry.name for entry in _images(table.parent)):
        if name not in captioned:
            raise RegardError(f"{table}: {name} has no caption; add a row for it, or remove the image")


def _read_table(path: Path, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield image, caption and place of each row."""
    for number, (name, caption) in enumerate(read_rows(path, names), start=1):
        where = f"{path}, row {number}"
        for column, value in zip(names, (name, caption), strict=True):
            if not value.strip():
                raise RegardError(f"{where}: column {column} is empty; give an image and its caption in each row")
        yield name.strip(), " ".join(caption.split()), where


def _read_coco(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield image, caption and place of each annotation of COCO captions (Chen et al. 2015), image by image."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
        captions: dict[object, list[str]] = {key: [] for key in files}
        for annotation in content["annotations"]:
            if annotation["image_id"] not in captions:
                raise RegardError(
                    f"{path}: annotation {annotation.get('id')} is for image {annotation['image_id']}, which is not in "
                    "images; add it, or remove the annotation"
                )
            captions[annotation["image_id"]].append(" ".join(str(annotation["caption"]).split()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegardError(
            f"{path}: not COCO captions ({type(error).__name__}: {error}); expected an object with images (id, "
            "file_name) and annotations (image_id, caption)"
        ) from error
    for key, name in files.items():
        found = [caption for caption in captions[key] if caption]
        if not found:
            raise RegardError(f"{path}: image {key} ({name}) has no caption; add one, or remove the image")
        for caption in found:
            yield name, caption, f"{path}, image {key}"


def _tables(key: str, part: Part) -> list[Path]:
    """Return the tables of a part; a folder stands for its table."""
    parts = [part] if isinstance(part, str) else part
    if not isinstance(parts, Sequence) or not all(isinstance(each, str) for each in parts):
        return matching_files(key, part)
    found: list[Path] = []
    for each in parts:
        folder = Path(each).expanduser().absolute()
        if not folder.is_dir():
            found += matching_files(key, each)
            continue
        tables = [folder / name for name in TABLES if (folder / name).is_file()]
        if len(tables) != 1:
            raise UsageError(f"{key}={each}: expected one of {', '.join(TABLES)} in this folder, found {len(tables)}")
        found += tables
    return found


def _file_name(record: Record) -> Record:
    """Return what decides the part of a record: all captions of an image are in the same part, on every machine."""
    return (Path(record[0]).name,)


def _images(folder: Path, below: bool = False) -> Iterator[os.DirEntry[str]]:
    """Yield the images in a folder, with ``below`` also those in its subfolders, in no particular order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if below and entry.is_dir():
                yield from _images(Path(entry.path), below)
            elif entry.name.lower().endswith(SUFFIXES):
                yield entry


def _digest(folder: Path) -> str:
    """Return a digest of path, size and date of all images below a folder, which are not read.

    It is a sum over the images, so that they need not be sorted in memory.
    """
    total = 0
    for entry in _images(folder, below=True):
        status = entry.stat()
        line = f"{os.path.relpath(entry.path, folder)}\0{status.st_size}\0{status.st_mtime_ns}"
        total += int.from_bytes(hashlib.sha256(line.encode("utf-8", "surrogateescape")).digest())
    return f"{total % (1 << 256):064x}"
