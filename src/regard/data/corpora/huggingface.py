"""Any dataset of Hugging Face, from the hub or from a folder; the extra ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.data.corpora.corpus import MissingSplit, Record, Split
from regard.data.corpora.extra import load, need
from regard.data.corpora.parts import HeldOut
from regard.data.corpora.reading.rows import pick
from regard.data.corpora.tables import as_record, columns_of, name_columns
from regard.errors import RegardError, UsageError, one_line

_PURPOSE = "data=huggingface"


class HuggingFace:
    """Columns of a dataset as text.

    Args:
        path: its name on the hub, or a folder; as in ``datasets.load_dataset``.
        columns: the name of the column that holds documents, or those of source and target; a dotted name looks
            into an object: ``translation.en``.
        name: which configuration of the dataset, if it has several.
        revision: commit, tag or branch on the hub. What was prepared once is not fetched again to see whether it
            has changed: name a commit for what shall stay the same.
        train, validation, test: names of the dataset's splits; for validation and test also a share of the
            training part to hold out (0.05). ``test`` may be None.
        streaming: read while it is fetched, and keep none of it on disk.

    Raises:
        UsageError: neither one column nor two; or as ``HeldOut``.
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str | float],
        name: str | None = None,
        revision: str | None = None,
        train: str = "train",
        validation: str | float = "validation",
        test: str | float | None = None,
        streaming: bool = False,
    ) -> None:
        self.path, self.name, self.revision, self.streaming = path, name, revision, streaming
        self.names = name_columns(columns)
        self.columns = columns_of(self.names)
        self._splits: dict[Split, str | float | None] = {"train": train, "validation": validation, "test": test}
        self._held_out = HeldOut(validation, test)

    def check(self) -> None:
        """Raise a UsageError if the package is not installed; asks no network."""
        need("datasets", _PURPOSE)

    def fingerprint(self) -> dict[str, object]:
        """What is asked for; of a folder also path, size and time of last change of every file."""
        folder = Path(self.path).expanduser()
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        return {
            "corpus": "huggingface",
            "path": str(folder.absolute()) if files else self.path,
            "name": self.name,
            "revision": self.revision,
            "columns": self.names,
            "splits": dict(self._splits),
            "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
        }

    def records(self, split: Split) -> Iterator[Record]:
        """The rows of one part; see ``Corpus.records``.

        Raises:
            UsageError: there is no such dataset or split (those there are).
        """
        wanted = self._splits[split]
        if wanted is None:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split} to a split of {self.path}")
        return self._held_out.records(split, self._read)

    def _read(self, split: Split) -> Iterator[Record]:
        datasets = load("datasets", _PURPOSE)
        try:
            parts: Mapping[str, Any] = datasets.load_dataset(
                str(Path(self.path).expanduser()),
                self.name,
                revision=self.revision,
                streaming=self.streaming,
            )
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise UsageError(
                f"data.path={self.path}: cannot be loaded ({one_line(error)}); correct data.path, data.name or "
                "data.revision, or connect to the network"
            ) from error
        wanted = self._splits[split]
        if wanted not in parts:
            raise UsageError(f"data.{split}={wanted}: {self.path} has the splits {', '.join(parts)}; name one of them")
        return self._rows(parts[str(wanted)], str(wanted))

    def _rows(self, rows: Any, name: str) -> Iterator[Record]:
        try:
            for number, row in enumerate(rows, start=1):
                yield as_record(pick(row, self.names, f"{self.path}, split {name}, row {number}"))
        except (OSError, ValueError, RuntimeError) as error:
            raise RegardError(
                f"{self.path}, split {name}: cannot be read any further ({one_line(error)}); start again"
            ) from error
