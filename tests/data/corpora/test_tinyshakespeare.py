"""Tiny Shakespeare: the file is found or rejected. Downloads are tested with Multi30k."""

from __future__ import annotations

from pathlib import Path

import pytest

from regard.data.corpora.corpus import MissingSplit
from regard.data.corpora.tinyshakespeare import TinyShakespeare
from regard.errors import RegardError

FOLDER = Path(__file__).parents[4] / "shared/data/tinyshakespeare"


@pytest.mark.skipif(not (FOLDER / "input.txt").is_file(), reason=f"needs input.txt in {FOLDER}")
def test_the_parts_are_those_of_nanogpt() -> None:
    corpus = TinyShakespeare(str(FOLDER))
    corpus.check()
    ((train,),), ((validation,),) = (list(corpus.records(split)) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert train + validation == (FOLDER / "input.txt").read_text()


def test_there_is_no_test_part(tmp_path: Path) -> None:
    with pytest.raises(MissingSplit, match="no test part"):
        TinyShakespeare(str(tmp_path)).records("test")


def test_another_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(RegardError, match=r"input\.txt is not the published file: its digest is sha256:.*expected"):
        TinyShakespeare(str(tmp_path)).records("train")


def test_the_fingerprint_depends_on_the_text_and_not_on_the_folder(tmp_path: Path) -> None:
    here, there = (TinyShakespeare(str(folder)).fingerprint() for folder in (tmp_path, tmp_path / "elsewhere"))
    assert here == there
