"""The parts of a corpus in the user's files: named by the user, or held out of the training part."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from regard.data.corpora.corpus import SPLITS, MissingSplit, Record, Split
from regard.data.corpora.filters import hash_record
from regard.data.corpora.reading.lines import require_file
from regard.errors import RegardError, UsageError

Part = str | Sequence[str] | float | None
"""The files of a part, a share of the training part to hold out, or None for no such part."""

FindFiles = Callable[[str, Part], list[Path]]
"""Return the files that the value of a key names. Raises UsageError, naming the key."""


class HeldOut:
    """Validation and test parts that are shares of the training part, selected by a hash of each record.

    The selection is the same every time and on every machine, needs no memory, and puts equal records in the same part.

    Args:
        validation, test: the share to hold out, between 0 and 1; any value that is not a number holds out nothing.
        key: what is hashed of a record: records with equal keys are in the same part.

    Raises:
        UsageError: a share is not above 0, or the shares leave nothing to train on.
    """

    def __init__(self, validation: object, test: object, key: Callable[[Record], Record] = tuple) -> None:
        self.key = key
        parts: dict[Split, object] = {"validation": validation, "test": test}
        self.shares: dict[Split, float] = {
            split: share
            for split, share in parts.items()
            if isinstance(share, int | float) and not isinstance(share, bool)
        }
        if any(share <= 0 for share in self.shares.values()) or sum(self.shares.values()) >= 1:
            given = ", ".join(f"data.{split}={share}" for split, share in self.shares.items())
            raise UsageError(f"{given}: expected shares above 0 with a sum below 1, or files")

    def records(self, split: Split, read: Callable[[Split], Iterator[Record]]) -> Iterator[Record]:
        """Return the records of ``split``; ``read`` returns the records of a part from which none are held out."""
        return self._select(split, read("train")) if split == "train" or split in self.shares else read(split)

    def _select(self, split: Split, training: Iterator[Record]) -> Iterator[Record]:
        """Return the records of the whole training part that are in ``split``."""
        if not self.shares:
            return training
        validation = self.shares.get("validation", 0.0)
        test = validation + self.shares.get("test", 0.0)
        bounds = {"validation": (0.0, validation), "test": (validation, test), "train": (test, 1.0)}
        low, high = (int(bound * (1 << 64)) for bound in bounds[split])
        return (record for record in training if low <= hash_record(self.key(record)) < high)


def matching_files(key: str, part: Part) -> list[Path]:
    """Return the files that a glob (``text/**/*.txt``) or a list of globs matches, in the order of their names.

    Raises:
        UsageError: ``part`` is something else, or matches no file; names ``key``.
    """
    patterns = [part] if isinstance(part, str) else part
    if not isinstance(patterns, Sequence) or not patterns or not all(isinstance(p, str) for p in patterns):
        share = "" if key == "data.train" else ", or a share of the training part such as 0.05"
        raise UsageError(f"{key}={part}: expected the path of a file, a glob or a list of them{share}")
    return [path for pattern in patterns for path in _matches(key, str(Path(pattern).expanduser()))]


def identity(path: Path) -> list[str | int]:
    """Return path, size and modification time, which identify the content of a file of any size quickly."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


class FileParts:
    """Train, validation and test parts in files.

    Args:
        train: the files, in a form that ``find`` accepts.
        validation, test: the same, or a share of the training part to hold out (0.05); ``test`` may be None.
        find: returns the files of a part.
        key: as in ``HeldOut``.

    Raises:
        UsageError: as ``HeldOut``.
    """

    def __init__(
        self,
        train: Part,
        validation: Part,
        test: Part,
        find: FindFiles = matching_files,
        key: Callable[[Record], Record] = tuple,
    ) -> None:
        self._parts: dict[Split, Part] = {"train": train, "validation": validation, "test": test}
        self._held_out, self._find = HeldOut(validation, test, key), find
        self.shares = self._held_out.shares

    def files(self, split: Split) -> list[Path]:
        """Return the files of one part; none for a part that is held out, or a test part that was not given.

        Raises:
            UsageError: as ``find``.
        """
        part = self._parts[split]
        if split in self.shares or (part is None and split == "test"):
            return []
        return self._find(f"data.{split}", part)

    def check(self, check_file: Callable[[Path], object] = lambda path: None) -> None:
        """Raise a UsageError, naming the key, for a part without files, or with a file that ``check_file`` rejects."""
        for split in SPLITS:
            for path in self.files(split):
                try:
                    require_file(path)
                    check_file(path)
                except RegardError as error:
                    raise UsageError(f"data.{split}: {error}") from error

    def check_divisible(self, hint: str) -> None:
        """Raise a UsageError if there are too few training files for the shares, where each file is one record."""
        files = len(self.files("train"))
        for split, share in self.shares.items():
            if files * share < 1:
                raise UsageError(
                    f"data.{split}={share} of {files} files with one document each is less than one document; "
                    f"give files for this part, or {hint}"
                )

    def fingerprint(self) -> dict[str, object]:
        """Return the identity of every file, and the shares that are held out."""
        return {
            "held_out": dict(self.shares),
            **{split: [identity(path) for path in self.files(split)] for split in SPLITS},
        }

    def records(self, split: Split, read: Callable[[list[Path]], Iterator[Record]]) -> Iterator[Record]:
        """Return the records of one part; ``read`` returns the records of all the files of a part.

        Raises:
            MissingSplit: there is no such part.
        """
        if self._parts[split] is None:
            raise MissingSplit(
                f"this corpus has no {split} part; set data.{split} to its files, or to a share to hold out"
            )
        return self._held_out.records(split, lambda part: read(self.files(part)))


def _matches(key: str, pattern: str) -> list[Path]:
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [Path(pattern).absolute()]
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob would find hidden files)
    found = sorted(path for name in names if (path := Path(name).absolute()).is_file())
    if not found:
        raise UsageError(f"{key}={pattern}: no file matches; correct the pattern (** matches any folders)")
    return found
