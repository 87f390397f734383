"""Replacing whole files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regard.files import replacing
from regard.runs.create import write_atomically


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with replacing(path) as beside:
        beside.write_bytes(b"new")
        assert (path.read_bytes() if path.exists() else None) == before
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_failure_the_old_file_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write() -> None:
        with replacing(path) as beside:
            beside.write_bytes(b"ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_several_threads_may_write_the_same_file_concurrently(tmp_path: Path) -> None:
    """As a run and the process that cancels it."""
    path = tmp_path / "status.json"
    contents = [f"{number}" * 5000 for number in range(4)]
    with ThreadPoolExecutor(4) as writers:
        for done in [writers.submit(write_atomically, path, content) for content in contents * 25]:
            done.result()
    assert path.read_text() in contents
    assert list(tmp_path.iterdir()) == [path]
