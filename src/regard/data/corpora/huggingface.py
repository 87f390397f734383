"""Any Hugging Face dataset, from the hub or from a folder. Needs the extra ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.data.corpora.corpus import MissingSplit, Record, Split
from regard.data.corpora.extra import import_optional, require
from regard.data.corpora.parts import HeldOut
from regard.data.corpora.reading.rows import pick
from regard.data.corpora.tables import as_record, columns_of, name_columns
from regard.errors import RegardError, UsageError, one_line

_PURPOSE = "data=huggingface"


class HuggingFace:
    """Documents or pairs in the columns of a dataset.

    Args:
        path: name on the hub, or a folder, as in ``datasets.load_dataset``.
        columns: the name of the column of documents, or those of source and target. A dotted name such as
            ``translation.en`` is a path into objects.
        name: configuration of the dataset, if it has several.
        revision: commit, tag or branch on the hub. Prepared data is not updated if a branch changes later: give a
            commit to fix the text.
        train, validation, test: names of the dataset's splits. For validation and test also a share of the
            training part to hold out (0.05). ``test`` may be None.
        streaming: read the dataset while it is downloaded, without storing it on disk.

    Raises:
        UsageError: not one or two columns; or as ``HeldOut``.
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
        """Raise a UsageError if the package is not installed. Does not use the network."""
        require("datasets", _PURPOSE)

    def fingerprint(self) -> dict[str, object]:
        """Return the arguments; for a folder also path, size and modification time of every file."""
        return {
            "corpus": "huggingface",
            **identify_dataset(self.path),
            "name": self.name,
            "revision": self.revision,
            "columns": self.names,
            "splits": dict(self._splits),
        }

    def records(self, split: Split) -> Iterator[Record]:
        """Return the rows of one part; see ``Corpus.records``.

        Raises:
            UsageError: the dataset or the split does not exist (names the existing splits).
        """
        wanted = self._splits[split]
        if wanted is None:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split} to a split of {self.path}")
        return self._held_out.records(split, self._read)

    def _read(self, split: Split) -> Iterator[Record]:
        wanted = str(self._splits[split])
        rows = load_split(self.path, self.name, self.revision, self.streaming, split, wanted)
        return self._rows(rows, wanted)

    def _rows(self, rows: Any, name: str) -> Iterator[Record]:
        try:
            for number, row in enumerate(rows, start=1):
                yield as_record(pick(row, self.names, f"{self.path}, split {name}, row {number}"))
        except (OSError, ValueError, RuntimeError) as error:
            raise RegardError(
                f"{self.path}, split {name}: cannot be read further ({one_line(error)}); start again"
            ) from error


def load_split(path: str, name: str | None, revision: str | None, streaming: bool, key: Split, wanted: str) -> Any:
    """Return a split of a dataset, in the form of the package ``datasets``.

    Raises:
        UsageError: the package is not installed, or the dataset or the split does not exist; names ``data.KEY``.
    """
    datasets = import_optional("datasets", _PURPOSE)
    try:
        parts: Mapping[str, Any] = datasets.load_dataset(
            str(Path(path).expanduser()), name, revision=revision, streaming=streaming
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UsageError(
            f"data.path={path}: cannot be loaded ({one_line(error)}); correct data.path, data.name or "
            "data.revision, or connect to the network"
        ) from error
    if wanted not in parts:
        raise UsageError(f"data.{key}={wanted}: {path} has the splits {', '.join(parts)}; choose one of them")
    return parts[wanted]


def identify_dataset(path: str) -> dict[str, object]:
    """Return the name of a dataset; for a folder also path, size and modification time of every file."""
    folder = Path(path).expanduser()
    files = sorted(each for each in folder.rglob("*") if each.is_file()) if folder.is_dir() else []
    return {
        "path": str(folder.absolute()) if files else path,
        "files": [[str(each), each.stat().st_size, each.stat().st_mtime_ns] for each in files],
    }
