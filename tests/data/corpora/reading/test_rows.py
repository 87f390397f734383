"""Tables: every format has the same rows, and errors name the row."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from regard.data.corpora import extra
from regard.data.corpora.reading.rows import read_rows
from regard.errors import RegardError, UsageError

ROWS = [("a dog", "ein Hund"), ("", "leer"), ('two "cats", a comma ', "zwei\u2028Katzen"), ("x" * 200_000, "ß")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "en", "de"), *((i, *row) for i, row in enumerate(ROWS))])
    lines = ["id\ten\tde", *(f"{i}\t{en}\t{de}" for i, (en, de) in enumerate(ROWS))]
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    objects = [{"id": i, "en": en, "de": de, "translation": {"en": en, "de": de}} for i, (en, de) in enumerate(ROWS)]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, objects)), encoding="utf-8")
    pa.parquet.write_table(pa.Table.from_pylist(objects), tmp_path / "t.parquet", row_group_size=2)
    for name in ("t.csv", "t.tsv", "t.jsonl"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    return tmp_path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.csv.gz", "t.tsv.gz", "t.jsonl.gz", "t.parquet"])
def test_every_format_gives_the_same_rows(folder: Path, name: str) -> None:
    assert list(read_rows(folder / name, ["en", "de"])) == ROWS
    assert list(read_rows(folder / name, ["de"])) == [(de,) for _, de in ROWS]


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_a_dotted_name_is_a_path_into_objects(folder: Path, name: str) -> None:
    assert list(read_rows(folder / name, ["translation.en", "translation.de"])) == ROWS


def test_a_quoted_field_may_have_newlines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'text\r\n"one\r\n\r\ntwo"\r\n')
    assert list(read_rows(tmp_path / "t.csv", ["text"])) == [("one\n\ntwo",)]


def test_null_is_empty_text(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": null}\n{"text": "a"}\n')
    pa.parquet.write_table(pa.table({"text": [None, "a"]}), tmp_path / "t.parquet")
    for name in ("t.jsonl", "t.parquet"):
        assert list(read_rows(tmp_path / name, ["text"])) == [("",), ("a",)]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_rows_are_streamed(tmp_path: Path, name: str) -> None:
    good = {"t.csv": "text,n\na,1\nb,2\n", "t.tsv": "text\tn\na\t1\nb\t2\n", "t.jsonl": '{"text":"a"}\n{"text":"b"}\n'}
    (tmp_path / name).write_text(good[name] + "{bad\n")
    assert list(itertools.islice(read_rows(tmp_path / name, ["text"]), 2)) == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.csv",
            "en,fr\na,b\n",
            "t.csv, line 1: no column de; the columns are en, fr; the first line must name the columns",
        ),
        ("t.csv", "", "t.csv, line 1: no column en; the columns are none; the first line must name the columns"),
        ("t.csv", "en,de\na,b\nc\n", "t.csv, line 3: 1 columns, expected 2 as in line 1 (en, de); correct the line"),
        ("t.csv", 'en,de\na,"b\nc,d\n', "t.csv, line 2: not CSV (a quote is not closed); correct"),
        ("t.csv", 'en,de\n"a\nb","c\nd,e\n', "t.csv, line 3: not CSV (a quote is not closed); correct"),
        ("t.csv", 'en,de\n"a,b\n"c",d\n', "t.csv, line 2: not CSV (',' expected after '\"'); correct the line"),
        ("t.csv", 'en,de\n"a,b\nc",d,e\n', "t.csv, lines 2 to 3: 3 columns, expected 2 as in line 1 (en, de); correct"),
        ("t.csv", "en,de\ra,b\rc,d\r", "t.csv, line 1: the lines end with carriage returns only; convert them"),
        ("t.csv", "en,en,de\na,b,c\n", "t.csv, line 1: 2 columns are named en; rename all but one"),
        ("t.tsv", "de\ten\tde\na\tb\tc\n", "t.tsv, line 1: 2 columns are named de; rename all but one"),
        (
            "t.jsonl",
            '{"en": "a", "de": "b"}\n{"en": "a", "de": "b", "en": "c"}\n',
            "t.jsonl, line 2: not JSON (two keys are named en); expected one object per line; correct the line",
        ),
        ("t.tsv", "en\tde\na\tb\tc\n", "t.tsv, line 2: 3 columns, expected 2 as in line 1 (en, de); correct the line"),
        (
            "t.jsonl",
            '{"en": "a", "de": "b"}\n{"en": \n',
            "t.jsonl, line 2: not JSON (Expecting value); expected one object per line; correct the line",
        ),
        (
            "t.jsonl",
            '["a", "b"]\n',
            "t.jsonl, line 1: a JSON list, expected an object with en, de; correct the line",
        ),
        (
            "t.jsonl",
            '{"en": "a", "meta": {"x": 1}}\n',
            "t.jsonl, line 1: no column de; the columns are en, meta.x; choose one of them",
        ),
        (
            "t.jsonl",
            '{"en": "a", "de": 3}\n',
            "t.jsonl, line 1: column de is int, expected text; choose another",
        ),
        ("t.parquet", "PAR1 and no more", "t.parquet cannot be read as Parquet (Parquet magic bytes not found"),
    ],
)
def test_the_error_of_an_invalid_row_names_it(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RegardError) as failure:
        list(read_rows(tmp_path / name, ["en", "de"]))
    assert str(failure.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(failure.value)


def test_two_columns_of_one_name_in_a_parquet_file_are_an_error(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.Table.from_arrays([["a"], ["b"]], names=["en", "en"]), tmp_path / "t.parquet")
    with pytest.raises(RegardError, match=r"t\.parquet: 2 columns are named en; rename all but one"):
        list(read_rows(tmp_path / "t.parquet", ["en"]))


def test_columns_that_are_not_read_may_have_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("en,,\na,1,2\n")
    assert list(read_rows(tmp_path / "t.csv", ["en"])) == [("a",)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("en, de\na,b\n", [("a", "b")]),
        ('en, "de"\na, "b, c"\n"d", e\n', [("a", "b, c"), ("d", "e")]),
        ("en,de\na, b\n", [("a", " b")]),  # RFC 4180: spaces are part of a field
    ],
)
def test_spaces_after_the_commas_of_the_header(tmp_path: Path, content: str, rows: list[tuple[str, str]]) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert list(read_rows(tmp_path / "t.csv", ["en", "de"])) == rows


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b'text,n\nred\rhouse,1\n"red\rhouse",2\n'), ("t.tsv", b"text\tn\r\nred\rhouse\t1\r\nred\rhouse\t2\n")],
)
def test_a_carriage_return_in_a_field_is_text(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(read_rows(tmp_path / name, ["text"])) == [("red\rhouse",)] * 2


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_a_byte_order_mark_is_dropped(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert list(read_rows(folder / name, ["en", "de"])) == ROWS


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.tsv.gz", "t.parquet"])
def test_an_explicit_format(folder: Path, name: str) -> None:
    path = folder / f"table.txt{'.gz' * name.endswith('.gz')}"
    path.write_bytes((folder / name).read_bytes())
    given: Any = name.removesuffix(".gz").partition(".")[2]
    assert list(read_rows(path, ["en", "de"], given)) == ROWS


def test_the_error_of_a_missing_column_in_parquet_names_the_existing_ones(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"en": ["a"], "fr": ["b"]}), tmp_path / "t.parquet")
    with pytest.raises(RegardError, match=r"t\.parquet, row 1: no column de; the columns are en, fr; choose one"):
        list(read_rows(tmp_path / "t.parquet", ["en", "de"]))


@pytest.mark.parametrize("name", ["t.xlsx", "t.txt.gz", "t.parquet.gz", "t"])
def test_a_name_without_a_known_format_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown format; expected a name in \.csv, \.tsv, \.jsonl"):
        read_rows(tmp_path / name, ["text"])


def test_the_error_of_parquet_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"Parquet files needs the package pyarrow: pip install 'regard\[datasets\]'"):
        read_rows(tmp_path / "t.parquet", ["text"])
