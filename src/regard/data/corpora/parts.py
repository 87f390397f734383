"""The parts of a corpus in files of the user's own: named by globs, or held out of the training part."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from regard.data.corpora.corpus import SPLITS, MissingSplit, Record, Split
from regard.data.corpora.filters import hash_record
from regard.data.corpora.text import require_file
from regard.errors import RegardError, UsageError

Part = str | Sequence[str] | float | None
Read = Callable[[Path], Iterator[Record]]


class HeldOut:
    """Validation and test parts that are shares of the training part, drawn by a hash of each record.

    The draw is the same every time and on every machine, needs no memory, and puts equal records in the same part.

    Args:
        validation, test: a share between 0 and 1 to hold out; anything else holds nothing out.

    Raises:
        UsageError: not shares that leave something to train on.
    """

    def __init__(self, validation: object, test: object) -> None:
        parts: dict[Split, object] = {"validation": validation, "test": test}
        self.shares: dict[Split, float] = {
            split: share
            for split, share in parts.items()
            if isinstance(share, int | float) and not isinstance(share, bool)
        }
        if any(share <= 0 for share in self.shares.values()) or sum(self.shares.values()) >= 1:
            given = ", ".join(f"data.{split}={share}" for split, share in self.shares.items())
            raise UsageError(f"{given}: give shares above 0 that together stay below 1, or files")

    def select(self, split: Split, training: Iterator[Record]) -> Iterator[Record]:
        """Those of the records of the whole training part that are in ``split``."""
        if not self.shares:
            return training
        validation = self.shares.get("validation", 0.0)
        test = validation + self.shares.get("test", 0.0)
        bounds = {"validation": (0.0, validation), "test": (validation, test), "train": (test, 1.0)}
        low, high = (int(bound * (1 << 64)) for bound in bounds[split])
        return (record for record in training if low <= hash_record(record) < high)


class FileParts:
    """Train, validation and test parts in files.

    Args:
        train: a glob (``text/**/*.txt``) or a list of them; files come in the order of their names.
        validation, test: the same, or a share of the training part to hold out (0.05); ``test`` may be None.

    Raises:
        UsageError: as ``HeldOut``.
    """

    def __init__(self, train: Part, validation: Part, test: Part) -> None:
        self._parts: dict[Split, Part] = {"train": train, "validation": validation, "test": test}
        self._held_out = HeldOut(validation, test)

    def check(self, check_file: Callable[[Path], object]) -> None:
        """Raise a UsageError, naming the key, for a part without files, or with one that ``check_file`` refuses."""
        for split in SPLITS:
            for path in self._files(split):
                try:
                    require_file(path)
                    check_file(path)
                except RegardError as error:
                    raise UsageError(f"data.{split}: {error}") from error

    def check_divisible(self, hint: str) -> None:
        """Raise a UsageError if the training files are too few for the shares, where each is one record."""
        files = len(self._files("train"))
        for split, share in self._held_out.shares.items():
            if files * share < 1:
                raise UsageError(
                    f"data.{split}={share} of {files} files, each one document, is less than one; name files of its "
                    f"own, or {hint}"
                )

    def fingerprint(self) -> dict[str, object]:
        """Path, size and time of last change of every file, quick however large they are; what is held out."""
        return {
            "held_out": dict(self._held_out.shares),
            **{
                split: [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in self._files(split)]
                for split in SPLITS
            },
        }

    def records(self, split: Split, read: Read) -> Iterator[Record]:
        """The records that ``read`` finds in the files of one part.

        Raises:
            MissingSplit: there is no such part.
        """
        if self._parts[split] is None:
            raise MissingSplit(f"this corpus has no {split} part; set data.{split} to its files")
        if split != "train" and split not in self._held_out.shares:
            return _chain(self._files(split), read)
        return self._held_out.select(split, _chain(self._files("train"), read))

    def _files(self, split: Split) -> list[Path]:
        part = self._parts[split]
        if split in self._held_out.shares or (part is None and split == "test"):
            return []
        patterns = [part] if isinstance(part, str) else part
        if not isinstance(patterns, Sequence) or not patterns or not all(isinstance(p, str) for p in patterns):
            share = "" if split == "train" else ", or a share of the training part such as 0.05"
            raise UsageError(f"data.{split}={part}: give the path of a file, a glob or a list of them{share}")
        return [path for pattern in patterns for path in _matches(f"data.{split}", str(Path(pattern).expanduser()))]


def _matches(key: str, pattern: str) -> list[Path]:
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [Path(pattern).absolute()]
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob would find hidden files)
    found = sorted(path for name in names if (path := Path(name).absolute()).is_file())
    if not found:
        raise UsageError(f"{key}={pattern}: no file matches; correct the pattern (** stands for folders)")
    return found


def _chain(paths: Sequence[Path], read: Read) -> Iterator[Record]:
    for path in paths:
        yield from read(path)
