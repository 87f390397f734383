"""The user's own parallel text: two aligned files, or one file with two columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from regard.data.corpus import PAIR, SPLITS, MissingSplit, Split
from regard.data.text import read_pairs, read_tsv, require_file
from regard.errors import RegardError, UsageError

Part = str | Sequence[str] | None


class ParallelFiles:
    """A corpus in files of the user's own.

    Args:
        source: name of the source language, the suffix of its files.
        target: name of the target language.
        train, validation, test: each the path of a ``.tsv`` file (source TAB target), a list of two paths,
            or a prefix P that stands for P.<source> and P.<target>; any file may be compressed, with ``.gz``
            behind its name. ``test`` may be None.
    """

    columns = PAIR
    FILES = ("train", "validation", "test")

    def __init__(self, source: str, target: str, train: Part, validation: Part, test: Part = None) -> None:
        self.source = source
        self.target = target
        self._parts: dict[Split, Part] = {"train": train, "validation": validation, "test": test}

    def check(self) -> None:
        """Raise a UsageError, naming the key, for a part in no known form or a file that is not there."""
        for split in SPLITS:
            self._files(split)

    def fingerprint(self) -> dict[str, object]:
        """Path, size and time of last change of every file: quick however large they are."""
        return {
            "corpus": "parallel",
            "files": {
                split: [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
                for split in SPLITS
                if (files := self._files(split))
            },
        }

    def records(self, split: Split) -> Iterator[tuple[str, str]]:
        """The pairs of one part; see ``Corpus.records``."""
        files = self._files(split)
        if not files:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split} to its file or files")
        return read_tsv(files[0]) if len(files) == 1 else read_pairs(files[0], files[1])

    def _files(self, split: Split) -> list[Path]:
        """One table or two texts, all there; none for a test part that was not given."""
        part = self._parts[split]
        if part is None and split == "test":
            return []
        paths = self._paths(f"data.{split}", part)
        for path in paths:
            try:
                require_file(path)
            except RegardError as error:
                raise UsageError(f"data.{split}: {error}") from error
        return paths

    def _paths(self, key: str, part: Part) -> list[Path]:
        names = [part] if isinstance(part, str) else list(part or ())
        if not all(names) or not 1 <= len(names) <= 2:
            raise UsageError(f"{key}={part}: give a .tsv file, a list of two files, or the prefix of two files")
        paths = [Path(name).expanduser().absolute() for name in names]
        if len(paths) == 2 or paths[0].name.removesuffix(".gz").endswith(".tsv"):
            return paths
        if not isinstance(part, str):
            raise UsageError(f"{key}={part}: expected two files in the list, found one; add the other side")
        prefix = paths[0]
        if prefix.is_file():
            raise UsageError(
                f"{key}={part} is one file: name it .tsv if it holds source TAB target, or give a list of "
                f"two files, or the prefix P of P.{self.source} and P.{self.target}"
            )
        if self.source == self.target:
            raise UsageError(
                f"{key}={part} is a prefix, but data.source and data.target are both {self.source}, "
                "which names one file twice; give a list of two files"
            )
        return [_language_file(prefix, language) for language in (self.source, self.target)]


def _language_file(prefix: Path, language: str) -> Path:
    plain = prefix.with_name(f"{prefix.name}.{language}")
    packed = prefix.with_name(f"{prefix.name}.{language}.gz")
    return packed if packed.is_file() and not plain.is_file() else plain
