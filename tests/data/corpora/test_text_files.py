"""The user's text files: how documents are found in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.text_files import TextFiles
from regard.errors import RegardError, UsageError

TEXT = "First line\n  second\n\n\n \nnext paragraph\u2028still\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "b.txt").write_text(TEXT)
    (tmp_path / "deep" / "er" / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "c.jsonl").write_text('{"text": "one\\ntwo", "meta": {"title": "A"}}\n')
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"text": "three", "meta": {"title": "B"}}\n'))
    return tmp_path


@pytest.mark.parametrize("name", ["b.txt", "deep/er/a.txt.gz"])
@pytest.mark.parametrize(
    ("document", "documents"),
    [
        ("file", [TEXT[:-1]]),
        ("paragraph", ["First line\n  second", "next paragraph\u2028still"]),
        ("line", ["First line", "  second", "", "", " ", "next paragraph\u2028still"]),
    ],
)
def test_plain_text_is_split_into_documents(folder: Path, name: str, document: str, documents: list[str]) -> None:
    corpus = TextFiles(str(folder / name), str(folder / name), document=document)
    assert [text for (text,) in corpus.records("train")] == documents


def test_globs_lists_and_json_lines_can_be_combined(folder: Path) -> None:
    corpus = TextFiles([str(folder / "*.jsonl*"), str(folder / "**" / "*.txt*")], str(folder / "b.txt"))
    corpus.check()
    assert [text for (text,) in corpus.records("train")] == ["one\ntwo", "three", TEXT[:-1], TEXT[:-1]]


def test_the_field_may_be_nested(folder: Path) -> None:
    corpus = TextFiles(str(folder / "*.jsonl*"), 0.5, field="meta.title")
    assert sorted(text for split in SPLITS[:2] for (text,) in corpus.records(split)) == ["A", "B"]


def test_errors_name_the_key_or_the_line(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.document=word: choose one of file, paragraph, line"):
        TextFiles("x", "y", document="word")
    with pytest.raises(RegardError, match=r"c\.jsonl, line 1: no column body; the columns are text, meta\.title"):
        list(TextFiles(str(folder / "c.jsonl"), 0.5, field="body").records("train"))
    (folder / "b.txt").write_bytes(b"fine\n\xff\n")
    with pytest.raises(RegardError, match=r"b\.txt, line 2: not UTF-8"):
        list(TextFiles(str(folder / "b.txt"), str(folder / "b.txt")).records("train"))


def test_too_few_files_of_one_document_cannot_be_held_out(folder: Path) -> None:
    message = r"data\.validation=0\.1 of 1 files with one document each .*data\.document=paragraph or line"
    with pytest.raises(UsageError, match=message):
        TextFiles(str(folder / "b.txt"), 0.1).check()
    TextFiles(str(folder / "b.txt"), 0.1, document="line").check()
    TextFiles(str(folder / "b.txt"), str(folder / "b.txt")).check()
    TextFiles([str(folder / "b.txt"), str(folder / "c.jsonl")], 0.1).check()  # the number of documents is unknown


def test_the_fingerprint_depends_on_the_kind_of_document(folder: Path) -> None:
    prints = [TextFiles(str(folder / "b.txt"), 0.5, document=of).fingerprint() for of in ("file", "paragraph", "line")]
    prints.append(TextFiles(str(folder / "b.txt"), 0.5, field="body").fingerprint())
    assert all(one != other for i, one in enumerate(prints) for other in prints[:i])


def test_a_format_applies_to_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_text('{"text": "one"}\n')
    path = str(tmp_path / "a.dump")
    assert list(TextFiles(path, path).records("train")) == [('{"text": "one"}',)]
    assert list(TextFiles(path, path, format="jsonl").records("train")) == [("one",)]
    (tmp_path / "a.jsonl").write_text("plain")
    path = str(tmp_path / "a.jsonl")
    assert list(TextFiles(path, path, format="text").records("train")) == [("plain",)]
    assert TextFiles(path, path, format="text").fingerprint() != TextFiles(path, path).fingerprint()
