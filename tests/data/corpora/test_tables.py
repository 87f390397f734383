"""Tables as a corpus of documents or pairs, and parts that are held out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from regard.data.corpora.corpus import PAIR, SPLITS, TEXT, MissingSplit
from regard.data.corpora.tables import Tables
from regard.data.prepare.prepare import prepare
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError, UsageError

SETTINGS = TokenizerSettings(vocab_size=40, byte_fallback=False, character_coverage=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (2, 1):
        rows = [{"en": f"house {number} {i}", "de": f"Haus\n{number} {i}"} for i in range(500)]
        (tmp_path / f"part{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "v.csv").write_text("de,en\nHund,dog\n")
    return tmp_path


def tables(folder: Path, columns: Any = ("en", "de"), **parts: Any) -> Tables:
    named = {"train": "part*.jsonl", "validation": "v.csv"} | parts
    paths = {key: str(folder / part) if isinstance(part, str) else part for key, part in named.items()}
    return Tables(columns, **paths)


def test_files_of_any_format_are_read_in_the_order_of_their_names(folder: Path) -> None:
    corpus = tables(folder, train=[str(folder / "v.csv"), str(folder / "*.jsonl")])
    corpus.check()
    train = list(corpus.records("train"))
    assert len(train) == 1001
    assert [train[i] for i in (0, 1, 501)] == [("dog", "Hund"), ("house 1 0", "Haus 1 0"), ("house 2 0", "Haus 2 0")]
    assert list(corpus.records("validation")) == [("dog", "Hund")]


def test_one_column_is_documents_and_two_are_pairs(folder: Path) -> None:
    assert tables(folder).columns == PAIR
    documents = tables(folder, ["de"])
    assert documents.columns == tables(folder, "de").columns == TEXT
    assert next(documents.records("train")) == ("Haus\n1 0",)  # newlines of a document are preserved
    for wrong in ([], ["a", "b", "c"], [True], None):
        with pytest.raises(UsageError, match=r"data\.columns=.*: expected one name \(of documents\), or two"):
            tables(folder, wrong)


def test_names_of_columns_may_be_numbers(folder: Path) -> None:
    (folder / "n.tsv").write_text("1\t2\nred\trot\n")
    assert list(tables(folder, [1, 2], train="n.tsv").records("train")) == [("red", "rot")]
    assert tables(folder, 1, train="n.tsv").fingerprint()["columns"] == ["1"]


def test_a_format_applies_to_all_files(folder: Path) -> None:
    (folder / "t.txt").write_text("en\tde\nred\trot\n")
    path = str(folder / "t.txt")
    with pytest.raises(UsageError, match=r"data\.train: .*t\.txt: unknown format; .*or data\.format="):
        Tables(["en", "de"], path, path).check()
    corpus = Tables(["en", "de"], path, path, format="tsv")
    corpus.check()
    assert list(corpus.records("train")) == [("red", "rot")]
    assert corpus.fingerprint() != Tables(["en", "de"], path, path, format="csv").fingerprint()


def test_a_share_is_held_out_and_the_parts_are_disjoint_and_complete(folder: Path) -> None:
    corpus = tables(folder, validation=0.1, test=0.2)
    corpus.check()
    parts = {split: list(corpus.records(split)) for split in SPLITS}
    assert parts == {split: list(corpus.records(split)) for split in SPLITS}
    whole = list(tables(folder).records("train"))
    assert sorted(record for part in parts.values() for record in part) == sorted(whole)
    assert [len(parts[split]) for split in SPLITS] == [pytest.approx(1000 * s, abs=40) for s in (0.7, 0.1, 0.2)]
    assert parts["train"] == [record for record in whole if record in set(parts["train"])]  # in order


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"validation": 1.5}, r"data\.validation=1\.5: expected shares above 0"),
        ({"validation": 0.6, "test": 0.4}, r"data\.validation=0\.6, data\.test=0\.4: expected shares"),
        ({"train": 0.5}, r"data\.train=0\.5: expected the path of a file, a glob or a list of them$"),
        ({"validation": None}, r"data\.validation=None: expected .* or a share of the training part such as 0\.05"),
        ({"train": "*.parquet"}, r"data\.train=.*\*\.parquet: no file matches; correct the pattern"),
        ({"train": "part3.jsonl"}, r"data\.train: no file .*part3\.jsonl; did you mean part\d\.jsonl"),
        ({"test": "v.xlsx"}, r"data\.test: no file"),
    ],
)
def test_the_error_of_an_invalid_part_names_its_key(folder: Path, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tables(folder, **parts).check()


def test_a_file_of_unknown_format_is_an_error_before_anything_is_read(folder: Path) -> None:
    (folder / "v.xlsx").touch()
    with pytest.raises(UsageError, match=r"data\.test: .*v\.xlsx: unknown format"):
        tables(folder, test="v.xlsx").check()


def test_the_error_without_a_test_part_names_the_key(folder: Path) -> None:
    with pytest.raises(MissingSplit, match=r"set data\.test"):
        tables(folder).records("test")


def test_the_fingerprint_depends_on_files_columns_and_shares(folder: Path) -> None:
    before = tables(folder).fingerprint()
    assert json.loads(json.dumps(before)) == json.loads(json.dumps(tables(folder).fingerprint()))
    assert before != tables(folder, ["de", "en"]).fingerprint()
    assert tables(folder, validation=0.1).fingerprint() != tables(folder, validation=0.2).fingerprint()
    os.utime(folder / "part2.jsonl", ns=(1, 1))
    assert before != tables(folder).fingerprint()


def test_tables_can_be_prepared(folder: Path, tmp_path: Path) -> None:
    prepared = prepare(tables(folder, validation=0.1), SETTINGS, tmp_path / "cache", print)
    assert prepared.report["train"]["records"] + prepared.report["validation"]["records"] == 1000
    (folder / "part2.jsonl").write_text('{"en": "a", "de": "b"}\n{"en" "a"}\n')
    with pytest.raises(RegardError, match=r"part2\.jsonl, line 2: not JSON"):
        prepare(tables(folder), SETTINGS, tmp_path / "cache", print)
