"""The page of a run in training: it is kept within its size, and what had to go is said once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from regard.runs.folder import RunFolder
from regard.runs.work import work


def test_a_page_over_its_size_is_said_once(make_run: Callable[..., RunFolder]) -> None:
    run = make_run("callbacks.attention.page_megabytes=0", "callbacks.attention.sentences=2", "name=small_page")
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as often as it is said
        assert work(run.path) == 0
    lines = (run.path / "log.txt").read_text().splitlines()
    said = [line for line in lines if "UserWarning" in line and "page_megabytes=0" in line]
    assert len(list(run.attention.glob("step-*.npz"))) == 2
    assert len(said) == 1
    assert "index.html: the numbers that the weights of 1 sentence come from, and 1 sentence left out" in said[0]
    assert "Left out to keep this page small" in (run.attention / "index.html").read_text()
