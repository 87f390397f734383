"""The user's tables: CSV, TSV, JSON Lines or Parquet, with documents or pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from regard.data.corpora.corpus import PAIR, SPLITS, TEXT, Record, Split
from regard.data.corpora.parts import FileParts, Part
from regard.data.corpora.reading.rows import Format, format_of, read_rows
from regard.errors import UsageError


class Tables:
    """Documents or pairs in the columns of tables.

    Args:
        columns: the name of the column of documents, or those of source and target. In JSON and Parquet, a dotted
            name such as ``translation.en`` is a path into objects.
        train, validation, test: as in ``FileParts``.
        format: of all files; None to infer it from each name (``rows.format_of``).

    Raises:
        UsageError: not one or two columns; or as ``FileParts``.
    """

    FILES = SPLITS

    def __init__(
        self,
        columns: Sequence[str | float],
        train: Part,
        validation: Part,
        test: Part = None,
        format: Format | None = None,
    ) -> None:
        self.names, self.format = name_columns(columns), format
        self.columns = columns_of(self.names)
        self._parts = FileParts(train, validation, test)

    def check(self) -> None:
        """Raise a UsageError, naming the key, for a file that does not exist or whose format is unknown."""
        self._parts.check(lambda path: format_of(path, self.format))

    def fingerprint(self) -> dict[str, object]:
        """Return the columns and the identity of the files."""
        content: dict[str, object] = {"corpus": "tables", "columns": self.names, "files": self._parts.fingerprint()}
        return content if self.format is None else content | {"format": self.format}

    def records(self, split: Split) -> Iterator[Record]:
        """Return the rows of one part; see ``Corpus.records``."""
        return self._parts.records(split, lambda files: chain.from_iterable(map(self._read, files)))

    def _read(self, path: Path) -> Iterator[Record]:
        return map(as_record, read_rows(path, self.names, self.format))


def name_columns(columns: Sequence[str | float] | str | float) -> list[str]:
    """Return ``data.columns`` as a list of one or two names. YAML reads a name such as 1 as a number.

    Raises:
        UsageError: ``columns`` is something else.
    """
    names = [columns] if isinstance(columns, str | int | float) else list(columns or ())
    if not 1 <= len(names) <= 2 or not all(type(name) in (str, int, float) for name in names):
        raise UsageError(f"data.columns={columns}: expected one name (of documents), or two (of source and target)")
    return [str(name) for name in names]


def columns_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a corpus whose texts are in the named columns of a table."""
    return PAIR if len(names) == 2 else TEXT


def as_record(texts: Record) -> Record:
    """Return the texts as a record. Line breaks in a pair become spaces: each side is one line."""
    if len(texts) == 1 or not any("\n" in text or "\r" in text for text in texts):
        return texts
    return tuple(" ".join(text.splitlines()) for text in texts)
