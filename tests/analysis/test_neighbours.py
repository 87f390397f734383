"""`regard neighbours` on runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regard.runs.folder import RunFolder
from regard.training.checkpoint import load_model

Regard = Callable[..., Any]


def test_the_nearest_tokens_and_their_cosines(finished: RunFolder, regard: Regard, tmp_path: Path) -> None:
    checkpoint = finished.checkpoints / "best.ckpt"
    said = regard("neighbours", checkpoint, "--word", "the", "--number", 3, "--output", tmp_path / "map.html")
    assert said.code == 0
    header, *lines = said.out.splitlines()
    assert header.split() == ["token", "cosine"]
    assert len(lines) == 3
    loaded = load_model(checkpoint)
    weights = loaded.model.decoder.embedding.tokens.weight.detach().numpy()
    pieces = loaded.tokenizers.target.pieces(range(len(weights)))
    for line in lines:
        piece, cosine = line.split()
        u, v = weights[pieces.index(piece)], weights[pieces.index("▁the")]
        assert float(cosine) == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=6e-4)
    assert f"map\t{tmp_path / 'map.html'}" in said.err
    assert lines[0].split()[1] in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_a_word_of_several_pieces_is_reported(
    finished: RunFolder, finished_language: RunFolder, regard: Regard
) -> None:
    said = regard("neighbours", finished.path, "--word", "housered", "--side", "target")
    assert said.code == 0
    assert "pieces (" in said.err
    assert "mean of their embeddings" in said.err
    bytes_ = regard("neighbours", finished_language.path, "--word", "the")
    assert "the has 3 pieces" in bytes_.err
    assert len(bytes_.out.splitlines()) == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--word", " "], "--word is empty: give a word"),
        (["--word", "日本"], "--word 日本: the vocabulary cannot represent it"),
        (["--word", "the", "--side", "left"], "--side left: expected source or target"),
        (["--word", "the", "--output", "map.pdf"], "--output map.pdf: expected a name that ends in .png or .html"),
    ],
)
def test_wrong_options_are_one_line(finished: RunFolder, regard: Regard, options: list[str], message: str) -> None:
    said = regard("neighbours", finished.path, *options)
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_a_language_model_has_no_source(finished_language: RunFolder, regard: Regard) -> None:
    said = regard("neighbours", finished_language.path, "--word", "the", "--side", "source")
    assert (said.code, said.out) == (2, "")
    assert "--side source: a language model has no source" in said.err
