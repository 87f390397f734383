"""Token files: rows are read as they were written, through a memory map."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from regard.data.prepare.store import TokenFile, TokenWriter, join_tokens
from regard.errors import RegardError
from regard.files import disk_errors

ROWS = [[4, 5, 6], [], [7], [], [8, 9]]


def write(stem: Path, rows: list[list[int]], vocab_size: int = 100) -> TokenFile:
    with TokenWriter(stem, vocab_size) as writer:
        for start in range(0, len(rows), 2):
            writer.append(rows[start : start + 2])
    return TokenFile(stem)


@pytest.mark.parametrize(("vocab_size", "width", "largest"), [(100, 2, 99), (65_536, 2, 65_535), (65_537, 4, 65_536)])
def test_rows_are_read_as_they_were_written(tmp_path: Path, vocab_size: int, width: int, largest: int) -> None:
    rows = [*ROWS, [largest]]
    tokens = write(tmp_path / "a.b", rows, vocab_size)
    assert len(tokens) == 6
    assert [tokens[i].tolist() for i in range(6)] == rows
    assert tokens[-2].tolist() == [8, 9]
    assert tokens.lengths.tolist() == [3, 0, 1, 0, 2, 1]
    assert tokens.lengths_of(np.array([5, 0, 4, 0])).tolist() == [1, 3, 2, 3]
    assert (tmp_path / "a.b.ids").stat().st_size == 7 * width
    for outside in (6, -7):
        with pytest.raises(IndexError):
            tokens[outside]


@pytest.mark.parametrize("rows", [[], [[], []]])
def test_files_without_rows_or_tokens(tmp_path: Path, rows: list[list[int]]) -> None:
    tokens = write(tmp_path / "none", rows)
    assert len(tokens) == len(rows)
    assert tokens.lengths.tolist() == [0] * len(rows)
    assert [tokens[i].tolist() for i in range(len(rows))] == rows


def test_ids_outside_the_vocabulary_are_an_error(tmp_path: Path) -> None:
    for wrong in (100, -1):
        with pytest.raises(ValueError, match="vocabulary of 100"):
            write(tmp_path / "a", [[1, wrong]])
    with pytest.raises(RegardError):  # a failed writer does not leave a token file
        TokenFile(tmp_path / "a")


def test_a_row_is_a_copy(tmp_path: Path) -> None:
    tokens = write(tmp_path / "a", ROWS)
    row = tokens[0]
    assert row.dtype == np.int64
    row[:] = 0
    assert tokens[0].tolist() == [4, 5, 6]


def resident(path: Path) -> int:
    """Return the resident kilobytes of a mapped file in this process."""
    maps = Path("/proc/self/smaps").read_text().split(str(path), 1)[1]
    return int(maps.split("Rss:", 1)[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc/self/smaps of Linux")
def test_ids_are_mapped_and_pages_are_released(tmp_path: Path) -> None:
    tokens = write(tmp_path / "a", [list(range(100))] * 100_000)
    path, size = tmp_path / "a.ids", 20_000
    assert resident(path) == 0
    for row in range(len(tokens)):
        tokens[row]
    assert 0 < resident(path) < size / 20
    tokens.lengths.sum()
    tokens.lengths_of(np.arange(len(tokens)))
    assert resident(tmp_path / "a.offsets") == 0


def test_a_pickle_has_the_path_and_not_the_tokens(tmp_path: Path) -> None:
    tokens = write(tmp_path / "a", [list(range(100))] * 1000)
    assert tokens.lengths.sum() == 100_000
    pickled = pickle.dumps(tokens)
    assert len(pickled) < 1000
    assert pickle.loads(pickled)[999].tolist() == list(range(100))


@pytest.mark.parametrize("cuts", [[5], [0, 2, 5], [1, 1, 4, 5]])
def test_joined_files_equal_a_file_written_at_once(tmp_path: Path, cuts: list[int]) -> None:
    starts = [0, *cuts[:-1]]
    parts = [write(tmp_path / f"part{i}", ROWS[a:b]).stem for i, (a, b) in enumerate(zip(starts, cuts, strict=True))]
    write(tmp_path / "whole", ROWS)
    join_tokens(parts, tmp_path / "joined")
    for suffix in ("ids", "offsets", "json"):
        assert (tmp_path / f"joined.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()


@pytest.mark.parametrize("damage", ["ids cut", "offsets gone", "about empty"])
def test_damage_is_an_error_when_opening(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "a", ROWS)
    if damage == "ids cut":
        (tmp_path / "a.ids").write_bytes(b"\0\0")
    elif damage == "offsets gone":
        (tmp_path / "a.offsets").unlink()
    else:
        (tmp_path / "a.json").write_text("")
    with pytest.raises(RegardError, match=f"prepared data in {tmp_path} is damaged at a .*remove that folder"):
        TokenFile(tmp_path / "a")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_error_of_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.ids").symlink_to("/dev/full")
    with (
        pytest.raises(RegardError, match=f"^no space left to write in {tmp_path};"),
        disk_errors(tmp_path),
    ):
        write(tmp_path / "a", ROWS)
