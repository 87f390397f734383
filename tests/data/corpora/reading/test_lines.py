"""Reading lines: where a line ends, and the line that an error names."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from regard.data.corpora.reading.lines import read_lines, read_pairs, read_tsv
from regard.errors import RegardError


def test_a_line_ends_at_a_newline_only(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("a\u2028b\u0085c\x0b\x0cd\r\n  e\re \n\n\ufefflast".encode())
    assert list(read_lines(path)) == ["a\u2028b\u0085c\x0b\x0cd", "  e\re ", "", "\ufefflast"]


@pytest.mark.parametrize("name", ["text", "text.gz"])
def test_a_byte_order_mark_is_not_text(tmp_path: Path, name: str) -> None:
    content = b"\xef\xbb\xbfone\ntwo\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_lines(tmp_path / name)) == ["one", "two"]


def test_the_error_of_a_line_that_is_not_utf8_names_it(tmp_path: Path) -> None:
    path = tmp_path / "latin1.de"
    path.write_bytes("gut\nschön\n".encode("latin-1"))
    with pytest.raises(RegardError, match=r"latin1\.de, line 2: not UTF-8 \(byte 0xf6 at position 4\)"):
        list(read_lines(path))


@pytest.mark.parametrize("damage", ["cut", "flipped", "not gzip"])
def test_the_error_of_damaged_compression_names_the_file(tmp_path: Path, damage: str) -> None:
    whole = bytearray(gzip.compress("".join(f"line {i * i}\n" for i in range(1000)).encode()))
    whole[len(whole) // 2] ^= 0xFF if damage == "flipped" else 0
    path = tmp_path / "text.gz"
    path.write_bytes({"cut": bytes(whole[:-20]), "flipped": bytes(whole), "not gzip": b"plain text\n"}[damage])
    with pytest.raises(RegardError, match=r"text\.gz, after line \d+: the gzip file is damaged"):
        list(read_lines(path))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("train.en", "train.en.gz"), ("train.de.gz", "train.de"), ("trian.de", "train.de")],
)
def test_the_error_of_a_missing_file_names_a_similar_one(tmp_path: Path, asked: str, meant: str) -> None:
    (tmp_path / "train.en.gz").touch()
    (tmp_path / "train.de").touch()
    with pytest.raises(RegardError, match=f"no file .*{asked}; did you mean {meant}"):
        next(read_lines(tmp_path / asked))


def test_a_missing_folder_and_a_folder_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(RegardError, match=r"the folder .*nowhere does not exist"):
        next(read_lines(tmp_path / "nowhere" / "text"))
    with pytest.raises(RegardError, match="is a folder"):
        next(read_lines(tmp_path))


@pytest.mark.parametrize(("left", "right"), [(2, 5), (5, 2), (0, 1), (3, 2)])
def test_the_error_of_files_of_different_length_has_both_counts(tmp_path: Path, left: int, right: int) -> None:
    (tmp_path / "a").write_text("x\n" * left)
    (tmp_path / "b").write_text("y\n" * right)
    with pytest.raises(RegardError, match=f"a has {left} lines but .*b has {right}:"):
        list(read_pairs(tmp_path / "a", tmp_path / "b"))


def test_a_table_needs_two_columns_in_every_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\nc d\n")
    with pytest.raises(RegardError, match=r"pairs\.tsv, line 2: no tab"):
        list(read_tsv(path))
    path.write_text("a\tb\nc\td\ne\tf\tg\n")
    with pytest.raises(RegardError, match=r"pairs\.tsv, line 3: 3 columns"):
        list(read_tsv(path))
