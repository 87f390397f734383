"""The user's parallel text: two aligned files, or one file with two columns, per part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from regard.data.corpora.corpus import PAIR, SPLITS, Record, Split
from regard.data.corpora.parts import FileParts, Part, identity
from regard.data.corpora.reading.lines import read_pairs, read_tsv
from regard.data.corpora.tables import as_record
from regard.errors import UsageError

Format = Literal["tsv"]


class ParallelFiles:
    """Pairs of sentences in the user's files.

    Args:
        source, target: names of the languages, the suffixes of their files.
        train: the path of a ``.tsv`` file (source TAB target), a list of two paths, or a prefix P of the two files
            P.<source> and P.<target>. Each file may be compressed, with a name that ends in ``.gz``.
        validation, test: the same, or a share of the training part to hold out (0.05); ``test`` may be None.
        format: ``tsv`` if each part is one file with source TAB target; None to infer that from its name.

    Raises:
        UsageError: as ``HeldOut``.
    """

    columns = PAIR
    FILES = SPLITS

    def __init__(
        self,
        source: str,
        target: str,
        train: Part,
        validation: Part,
        test: Part = None,
        format: Format | None = None,
    ) -> None:
        self.source, self.target, self.format = source, target, format
        self._parts = FileParts(train, validation, test, self._find)

    def check(self) -> None:
        """Raise a UsageError, naming the key, for a part in an unknown form, or a file that does not exist."""
        self._parts.check()

    def fingerprint(self) -> dict[str, object]:
        """Return the identity of every file, and the shares that are held out."""
        files = {split: [identity(path.resolve()) for path in self._parts.files(split)] for split in SPLITS}
        content: dict[str, object] = {
            "corpus": "parallel",
            "files": {split: found for split, found in files.items() if found},
        }
        shares = self._parts.shares
        return content | ({"held_out": dict(shares)} if shares else {})

    def records(self, split: Split) -> Iterator[Record]:
        """Return the pairs of one part; see ``Corpus.records``."""
        return self._parts.records(split, _read)

    def _find(self, key: str, part: Part) -> list[Path]:
        """Return the path of one table or of two texts."""
        names = [part] if isinstance(part, str) else part
        if not isinstance(names, Sequence) or not all(names) or not 1 <= len(names) <= 2:
            share = "" if key == "data.train" else ", or a share of the training part such as 0.05"
            raise UsageError(
                f"{key}={part}: expected a .tsv file, a list of two files, or the prefix of two files{share}"
            )
        paths = [Path(name).expanduser().absolute() for name in names]
        if self.format == "tsv" and len(paths) == 2:
            raise UsageError(f"{key}={part}: with data.format=tsv each part is one file; give one, or data.format=null")
        if len(paths) == 2 or self.format == "tsv" or paths[0].name.removesuffix(".gz").endswith(".tsv"):
            return paths
        if not isinstance(part, str):
            raise UsageError(f"{key}={part}: expected two files in the list, found one; add the other side")
        prefix = paths[0]
        if prefix.is_file():
            raise UsageError(
                f"{key}={part} is one file: give data.format=tsv if it holds source TAB target, or a list of "
                f"two files, or the prefix P of P.{self.source} and P.{self.target}"
            )
        if self.source == self.target:
            raise UsageError(
                f"{key}={part} is a prefix, but data.source and data.target are both {self.source}, "
                "which names one file twice; give a list of two files"
            )
        return [_language_file(prefix, language) for language in (self.source, self.target)]


def _read(files: list[Path]) -> Iterator[Record]:
    return map(as_record, read_tsv(files[0]) if len(files) == 1 else read_pairs(files[0], files[1]))


def _language_file(prefix: Path, language: str) -> Path:
    plain = prefix.with_name(f"{prefix.name}.{language}")
    packed = prefix.with_name(f"{prefix.name}.{language}.gz")
    return packed if packed.is_file() and not plain.is_file() else plain
