"""The user's text for a language model: any number of files of plain text or JSON Lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from regard.data.corpora.corpus import SPLITS, TEXT, Split
from regard.data.corpora.parts import FileParts, Part
from regard.data.corpora.reading.lines import read_lines
from regard.data.corpora.reading.rows import read_rows
from regard.errors import UsageError

Document = Literal["file", "paragraph", "line"]
Format = Literal["text", "jsonl"]


class TextFiles:
    """Documents in ``.jsonl`` files (one object per line) and in files of plain text; each may be compressed (``.gz``).

    Args:
        train, validation, test: as in ``FileParts``.
        document: one document of plain text is a ``file`` (held in memory), a ``paragraph`` (lines between empty
            lines) or a ``line``.
        field: key of the text in an object of JSON Lines; a dotted key is a path into objects.
        format: of all files, ``text`` or ``jsonl``; None to infer it from each name.

    Raises:
        UsageError: ``document`` has another value; or as ``FileParts``.
    """

    columns = TEXT
    FILES = SPLITS

    def __init__(
        self,
        train: Part,
        validation: Part,
        test: Part = None,
        document: Document = "file",
        field: str = "text",
        format: Format | None = None,
    ) -> None:
        if document not in get_args(Document):
            raise UsageError(f"data.document={document}: choose one of {', '.join(get_args(Document))}")
        self.document, self.field, self.format = document, field, format
        self._parts = FileParts(train, validation, test)

    def check(self) -> None:
        """Raise a UsageError, naming the key, for a file that does not exist, or too few documents to hold any out."""
        paths: list[Path] = []
        self._parts.check(paths.append)
        if self.document == "file" and not any(map(self._is_json, paths)):
            self._parts.check_divisible("set data.document=paragraph or line")

    def fingerprint(self) -> dict[str, object]:
        """Return the identity of the files, and how documents are found in them."""
        content: dict[str, object] = {
            "corpus": "text",
            "document": self.document,
            "field": self.field,
            "files": self._parts.fingerprint(),
        }
        return content if self.format is None else content | {"format": self.format}

    def records(self, split: Split) -> Iterator[tuple[str, ...]]:
        """Return the documents of one part; see ``Corpus.records``."""
        return self._parts.records(split, lambda files: chain.from_iterable(map(self._read, files)))

    def _read(self, path: Path) -> Iterator[tuple[str, ...]]:
        if self._is_json(path):
            return read_rows(path, [self.field], "jsonl")
        cut: dict[Document, Callable[[Iterator[str]], Iterator[str]]] = {
            "file": _whole,
            "paragraph": _paragraphs,
            "line": iter,
        }
        return ((text,) for text in cut[self.document](read_lines(path)))

    def _is_json(self, path: Path) -> bool:
        if self.format is not None:
            return self.format == "jsonl"
        return path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def _whole(lines: Iterator[str]) -> Iterator[str]:
    yield "\n".join(lines)


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    """Yield each sequence of lines between empty lines."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []
    if paragraph:
        yield "\n".join(paragraph)
