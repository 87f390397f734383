"""The user's own text for a language model: plain text or JSON Lines, in as many files as there are."""

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
    """Documents in ``.jsonl`` files (an object a line), and in any others as plain text; with ``.gz`` or without.

    Args:
        train, validation, test: as in ``FileParts``.
        document: what in plain text is one document: a ``file`` (held in memory), a ``paragraph`` (lines between
            empty lines) or a ``line``.
        field: where in an object of JSON Lines the text is; dotted to look into objects.
        format: of all the files, ``text`` or ``jsonl``; None for what the name of each tells.

    Raises:
        UsageError: ``document`` is none of these; or as ``FileParts``.
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
        """Raise a UsageError, naming the key, for a file that is not there, or too few documents to hold any out."""
        paths: list[Path] = []
        self._parts.check(paths.append)
        if self.document == "file" and not any(map(self._is_json, paths)):
            self._parts.check_divisible("set data.document=paragraph or line")

    def fingerprint(self) -> dict[str, object]:
        """What identifies the files, and how documents are found in them."""
        content: dict[str, object] = {
            "corpus": "text",
            "document": self.document,
            "field": self.field,
            "files": self._parts.fingerprint(),
        }
        return content if self.format is None else content | {"format": self.format}

    def records(self, split: Split) -> Iterator[tuple[str, ...]]:
        """The documents of one part; see ``Corpus.records``."""
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
    """Runs of lines that are not empty."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []
    if paragraph:
        yield "\n".join(paragraph)
