"""Images and captions in any Hugging Face dataset, from the hub or from a folder. Needs the extra ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import IMAGE_CAPTION, MissingSplit, Record, Split
from regard.data.corpora.extra import import_optional, require
from regard.data.corpora.huggingface import identify_dataset, load_split
from regard.data.corpora.parts import HeldOut
from regard.data.images.decode import decode, decode_file
from regard.errors import RegardError, UsageError

_PURPOSE = "data=huggingface_captions"


class HuggingFaceCaptions:
    """Images and captions in the columns of a dataset.

    Args:
        path, name, revision: as in ``HuggingFace``.
        columns: names of the columns of the image and the caption; the caption is a text or a list of texts.
        train, validation, test: names of the dataset's splits. For validation and test also a share of the training
            images to hold out (0.05). ``test`` may be None.

    Raises:
        UsageError: not two columns; or as ``HeldOut``.
    """

    columns = IMAGE_CAPTION

    def __init__(
        self,
        path: str,
        columns: Sequence[str | float] = ("image", "caption"),
        name: str | None = None,
        revision: str | None = None,
        train: str = "train",
        validation: str | float = "validation",
        test: str | float | None = None,
    ) -> None:
        if isinstance(columns, str | int | float) or len(columns) != 2:
            raise UsageError(f"data.columns={columns}: expected two names, of the image and of the caption")
        self.path, self.name, self.revision = path, name, revision
        self.names = [str(each) for each in columns]
        self._splits: dict[Split, str | float | None] = {"train": train, "validation": validation, "test": test}
        self._held_out = HeldOut(validation, test, lambda record: record[:1])
        self._loaded: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded dataset and the function: a worker process opens the files itself."""
        return vars(self) | {"_loaded": {}, "_held_out": None}

    def check(self) -> None:
        """Raise a UsageError if the package is not installed. Does not use the network."""
        require("datasets", _PURPOSE)

    def fingerprint(self) -> dict[str, object]:
        """Return the arguments; for a folder also path, size and modification time of every file."""
        return {
            "corpus": "huggingface_captions",
            **identify_dataset(self.path),
            "name": self.name,
            "revision": self.revision,
            "columns": self.names,
            "splits": dict(self._splits),
        }

    def records(self, split: Split) -> Iterator[Record]:
        """Return ``SPLIT/ROW`` and a caption for each caption of one part; see ``Corpus.records``.

        Raises:
            UsageError: the dataset, the split or a column does not exist.
            RegardError: a caption is not text, or a row has none; names the row.
        """
        if self._splits[split] is None:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split} to a split of {self.path}")
        return self._held_out.records(split, self._read)

    def read_image(self, reference: str) -> npt.NDArray[np.uint8]:
        """Decode the image of a row. See ``ImageCorpus``."""
        wanted, _, row = reference.rpartition("/")
        image = self._dataset("train", wanted)[int(row)][self.names[0]]
        if image is None:
            raise RegardError("the row has no image")
        return decode(image["bytes"]) if image["bytes"] is not None else decode_file(Path(image["path"]))

    def image_name(self, reference: str) -> str:
        """Return ``SPLIT/ROW``."""
        return reference

    def _dataset(self, key: Split, wanted: str) -> Any:
        """Return a split whose images are not decoded."""
        if wanted not in self._loaded:
            datasets = import_optional("datasets", _PURPOSE)
            rows = load_split(self.path, self.name, self.revision, False, key, wanted)
            for column in self.names:
                if column not in rows.column_names:
                    there = ", ".join(rows.column_names)
                    raise UsageError(f"data.columns: {self.path} has no column {column}; the columns are {there}")
            if not isinstance(rows.features[self.names[0]], datasets.Image):
                raise UsageError(f"data.columns: {self.names[0]} is not a column of images; choose another")
            self._loaded[wanted] = rows.cast_column(self.names[0], datasets.Image(decode=False))
        return self._loaded[wanted]

    def _read(self, split: Split) -> Iterator[Record]:
        wanted = str(self._splits[split])
        captions = self._dataset(split, wanted).select_columns([self.names[1]])
        for row, found in enumerate(captions):
            texts = found[self.names[1]]
            texts = texts if isinstance(texts, list) else [texts]
            if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
                raise RegardError(
                    f"{self.path}, split {wanted}, row {row + 1}: column {self.names[1]} has no caption; expected a "
                    "text or a list of texts"
                )
            for text in texts:
                yield f"{wanted}/{row}", " ".join(text.split())
