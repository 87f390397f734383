"""The user's pairs, in each form of files."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from regard.data.corpora.corpus import SPLITS, MissingSplit
from regard.data.corpora.parallel import ParallelFiles
from regard.data.corpora.parts import FileParts
from regard.data.corpora.tables import Tables
from regard.errors import UsageError

PAIRS = [("a dog", "ein Hund"), ("", "leer"), ("two  cats ", "zwei Katzen")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for suffix, side in (("en", 0), ("de", 1)):
        text = "".join(f"{pair[side]}\n" for pair in PAIRS)
        (tmp_path / f"plain.{suffix}").write_text(text)
        (tmp_path / f"packed.{suffix}.gz").write_bytes(gzip.compress(text.encode()))
    table = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
    (tmp_path / "table.tsv").write_text(table)
    (tmp_path / "table.tsv.gz").write_bytes(gzip.compress(table.encode()))
    return tmp_path


def corpus(folder: Path, part: str | Sequence[str], test: str | None = None) -> ParallelFiles:
    part = str(folder / part) if isinstance(part, str) else [str(folder / name) for name in part]
    return ParallelFiles("en", "de", train=part, validation=part, test=test)


@pytest.mark.parametrize(
    "part",
    ["plain", "packed", "table.tsv", "table.tsv.gz", ["plain.en", "plain.de"], ("plain.en", "packed.de.gz")],
)
def test_every_form_gives_the_same_pairs(folder: Path, part: str | Sequence[str]) -> None:
    files = corpus(folder, part)
    files.check()
    assert list(files.records("train")) == list(files.records("validation")) == PAIRS


def test_pairs_are_streamed(tmp_path: Path) -> None:
    (tmp_path / "p.en").write_bytes(b"a\nb\n" + b"\xff\n")
    (tmp_path / "p.de").write_bytes(b"A\nB\nC\n")
    assert list(itertools.islice(corpus(tmp_path, "p").records("train"), 2)) == [("a", "A"), ("b", "B")]


def test_the_error_without_a_test_part_names_the_key(folder: Path) -> None:
    files = corpus(folder, "plain")
    files.check()
    with pytest.raises(MissingSplit, match=r"set data\.test"):
        files.records("test")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("plian", r"data\.train: no file .*plian\.en; did you mean plain\.en"),
        ("table.tsv.bz2", r"data\.train: no file"),
        ("plain.en", r"data\.train=.*plain\.en is one file"),
        (["plain.en"], r"data\.train=.*expected two files in the list, found one"),
        (["plain.en", "plain.de", "table.tsv"], r"data\.train=.*expected a \.tsv file"),
    ],
)
def test_the_error_of_an_invalid_part_names_its_key(folder: Path, part: str | Sequence[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        corpus(folder, part).check()


def test_a_missing_file_of_any_part_is_an_error(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.test: no file"):
        corpus(folder, "plain", test=str(folder / "absent.tsv")).check()


def test_a_prefix_cannot_name_one_language_twice(folder: Path) -> None:
    part = str(folder / "plain")
    with pytest.raises(UsageError, match="names one file twice"):
        ParallelFiles("en", "en", train=part, validation=part).check()


@pytest.mark.parametrize("form", ["prefix", "table.tsv"])
def test_shares_are_held_out_of_the_training_part(tmp_path: Path, form: str) -> None:
    pairs = [(f"word {n}", f"Wort {n}") for n in range(1000)]
    (tmp_path / "table.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in pairs))
    for side, suffix in enumerate(("en", "de")):
        (tmp_path / f"prefix.{suffix}").write_text("".join(f"{pair[side]}\n" for pair in pairs))
    train = str(tmp_path / form)
    files = ParallelFiles("en", "de", train, validation=0.1, test=0.2)
    files.check()
    parts = {split: list(files.records(split)) for split in SPLITS}
    assert sorted(pair for part in parts.values() for pair in part) == sorted(pairs)
    assert 60 < len(parts["validation"]) < 140
    assert 150 < len(parts["test"]) < 250
    assert {split: list(files.records(split)) for split in SPLITS} == parts
    table = FileParts(train, 0.1, 0.2)  # the selection is that of data=table
    assert list(table.records("test", lambda files: iter(pairs))) == parts["test"]
    given: list[tuple[Any, Any]] = [(0.1, 0.2), (0.1, None), (0.2, 0.2)]
    assert len({str(ParallelFiles("en", "de", train, *shares).fingerprint()) for shares in given}) == 3


@pytest.mark.parametrize("shares", [(1.0, None), (0.6, 0.5), (-0.1, None), (True, None)])
def test_shares_that_leave_no_training_part_are_an_error(folder: Path, shares: tuple[Any, Any]) -> None:
    with pytest.raises(UsageError, match=r"data\.validation="):
        ParallelFiles("en", "de", str(folder / "plain"), *shares).check()


def test_a_tsv_file_of_any_name(folder: Path) -> None:
    (folder / "table.tsv").rename(folder / "table.txt")
    part = str(folder / "table.txt")
    with pytest.raises(UsageError, match=r"table\.txt is one file: give data\.format=tsv if it holds source TAB"):
        ParallelFiles("en", "de", part, part).check()
    files = ParallelFiles("en", "de", part, part, format="tsv")
    files.check()
    assert list(files.records("train")) == PAIRS
    with pytest.raises(UsageError, match=r"with data\.format=tsv each part is one file"):
        ParallelFiles("en", "de", [part, part], part, format="tsv").check()


def test_a_carriage_return_is_treated_as_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"red\rhouse\trotes Haus\r\n")
    (tmp_path / "named.tsv").write_bytes(b"en\tde\nred\rhouse\trotes Haus\n")
    part, named = str(tmp_path / "t.tsv"), str(tmp_path / "named.tsv")
    expected = [("red house", "rotes Haus")]
    assert list(ParallelFiles("en", "de", part, part).records("train")) == expected
    assert list(Tables(["en", "de"], named, named).records("train")) == expected


def test_the_fingerprint_depends_on_the_files(folder: Path) -> None:
    before = corpus(folder, "plain").fingerprint()
    assert corpus(folder, "plain").fingerprint() == before
    assert corpus(folder, "packed").fingerprint() != before
    os.utime(folder / "plain.de", ns=(1, 1))
    assert corpus(folder, "plain").fingerprint() != before
    assert all(ParallelFiles("en", "de", *[str(folder / "plain")] * 3).records(split) for split in SPLITS)
