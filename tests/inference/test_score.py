"""Scores of lines: equal to those of forced passes; errors name the line."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.data.tokenizer.specials import BOS, EOS
from regard.errors import RegardError
from regard.inference import score
from regard.inference.language_model import LanguageModel
from regard.inference.perplexity import perplexity
from regard.inference.score import score_lines
from regard.inference.translator import Translator
from regard.runs.folder import RunFolder
from regard.training.checkpoint import load_model, read_checkpoint

Regard = Callable[..., Any]


@pytest.fixture(scope="module")
def translator(finished: RunFolder) -> Translator:
    loaded = load_model(finished.checkpoints / "best.ckpt").generator
    assert isinstance(loaded, Translator)
    return loaded


@pytest.fixture(scope="module")
def language_model(finished_language: RunFolder) -> LanguageModel:
    loaded = load_model(finished_language.checkpoints / "best.ckpt").generator
    assert isinstance(loaded, LanguageModel)
    return loaded


@torch.inference_mode()
def forced(translator: Translator, source: str, target: str) -> float:
    """The log-probability of a target and its end, from a separate pass."""
    ids = translator.target_tokenizer.encode(target)
    given = torch.tensor([[*translator.source.tokenizer.encode(source), EOS]])
    steps = translator.model(torch.tensor([[BOS, *ids]]), given)[0].log_softmax(dim=-1)
    return steps[torch.arange(len(ids) + 1), torch.tensor([*ids, EOS])].sum().item()


def test_a_pair_is_scored_as_in_a_forced_pass(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK_LINES", 3)
    pairs = [("the red house", "das Haus ist rot"), ("the boat", ""), ("", "x"), ("a " * 14, "das " * 9), ("b", "b")]
    found = list(score_lines(translator, (f"{source}\t{target}" for source, target in pairs)))
    assert len(found) == len(pairs)
    for (source, target), line in zip(pairs, found, strict=True):
        expected = forced(translator, source, target)
        assert line.log_probability == pytest.approx(expected, abs=1e-3)
        assert line.perplexity == pytest.approx(math.exp(-expected / len(line.tokens)), rel=1e-3)
        ids = [*translator.target_tokenizer.encode(target), EOS]
        assert [piece for piece, _ in line.tokens] == translator.target_tokenizer.pieces(ids)


def test_an_invalid_line_is_named(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK_LINES", 2)
    fine = ["the house\tdas Haus"] * 4
    for number in range(5):
        for wrong, words in (("no tab", "0 tabs"), ("a\tb\tc", "2 tabs")):
            with pytest.raises(
                RegardError, match=rf"stdin, line {number + 1}: expected source TAB target, but found {words}"
            ):
                list(score_lines(translator, [*fine[:number], wrong, *fine[number:]]))
        for long in ("the house " * 300 + "\tdas", "the\t" + "das Haus " * 300):
            with pytest.raises(
                RegardError, match=rf"stdin, line {number + 1}: .* is longer than the limit of the model \(32 tokens\)"
            ):
                list(score_lines(translator, [*fine[:number], long, *fine[number:]]))


def test_score_of_a_language_model(regard: Regard, finished_language: RunFolder, language_model: LanguageModel) -> None:
    lines = ["the house is red\tdas Haus ist rot", "", "grün", "the house " * 9]
    found = regard("score", finished_language.path, stdin="\n".join(lines))
    assert found.code == 0, found.err
    header, *rows = [line.split("\t") for line in found.out.splitlines()]
    assert header == ["log_probability", "tokens", "perplexity"]
    sums = [sum(value for _, value in scored) for scored in language_model.log_probabilities(lines)]
    counts = [len(line.encode()) + 1 for line in lines]
    for row, total, count in zip(rows, sums, counts, strict=True):
        assert float(row[0]) == pytest.approx(total, abs=1e-3)
        assert int(row[1]) == count
        assert float(row[2]) == pytest.approx(math.exp(-total / count), rel=1e-3)
    assert sums[0] / counts[0] > -3.5, "it knows such sentences"
    words = [float(word) for word in found.err.replace(",", "").split() if word[-1].isdigit()]
    assert words == pytest.approx([sum(sums), sum(counts), math.exp(-sum(sums) / sum(counts))], rel=1e-3)
    nothing = regard("score", finished_language.path)
    assert (nothing.code, nothing.err) == (0, "")


def test_score_prints_tokens(regard: Regard, finished: RunFolder) -> None:
    found = regard("score", finished.path, "--tokens", stdin="the house\tdas Haus\n")
    assert found.code == 0, found.err
    _, line, *tokens = [row.split("\t") for row in found.out.splitlines()]
    assert len(tokens) == int(line[1])
    assert "".join(piece for _, _, piece in tokens) == "▁das▁Haus</s>"
    assert sum(float(value) for _, value, _ in tokens) == pytest.approx(float(line[0]), abs=1e-3)


def test_an_invalid_line_or_run_is_an_error_of_one_line(regard: Regard, finished: RunFolder, tmp_path: Path) -> None:
    bad = regard("score", finished.path, stdin="the house\tdas Haus\nno tab\n")
    assert bad.code == 1
    assert bad.err == "regard: stdin, line 2: expected source TAB target, but found 0 tabs\n"
    none = regard("score", tmp_path / "nothing")
    assert (none.code, none.out, none.err.count("\n")) == (2, "", 1), "no header without a model"


def test_a_text_file_is_evaluated_as_one_document(
    regard: Regard, finished_language: RunFolder, language_model: LanguageModel, tmp_path: Path
) -> None:
    text = "the house is red\n\ndas Haus ist grün\n" * 3
    (tmp_path / "own.txt").write_text(text, encoding="utf-8")
    found = regard("evaluate", finished_language.path, "--target-file", tmp_path / "own.txt")
    assert found.code == 0, found.err
    shown = {name: float(value) for name, value in (line.split("\t") for line in found.out.splitlines())}
    document = text.removesuffix("\n")
    ((*scored,),) = language_model.log_probabilities([document])
    loss = -sum(value for _, value in scored)
    assert len(scored) == len(document.encode()) + 1
    assert shown["test/loss"] == pytest.approx(loss / len(scored), abs=1e-3)
    assert shown["test/bits_per_byte"] == pytest.approx(loss / math.log(2) / len(document.encode()), abs=1e-3)
    (tmp_path / "own.txt").write_text("")
    empty = regard("evaluate", finished_language.path, "--target-file", tmp_path / "own.txt")
    assert (empty.code, empty.err) == (1, f"regard: {tmp_path / 'own.txt'} is empty; expected some text\n")


def test_a_large_loss_has_an_infinite_perplexity(regard: Regard, finished_language: RunFolder, tmp_path: Path) -> None:
    assert perplexity(2.0) == pytest.approx(math.exp(2))
    assert perplexity(88.5) < float(torch.finfo(torch.float32).max) < math.exp(88.75)
    assert perplexity(800.0) == math.inf
    assert math.isnan(perplexity(math.nan))
    shutil.copytree(finished_language.path, tmp_path / "run")
    best = tmp_path / "run/checkpoints/best.ckpt"
    content = read_checkpoint(finished_language.checkpoints / "best.ckpt")  # memory-mapped: saved elsewhere
    content["state_dict"] = {name: weight * 1e4 for name, weight in content["state_dict"].items()}
    torch.save(content, best)
    (tmp_path / "text").write_text("the house is red\n")
    scored = regard("score", tmp_path / "run", stdin="the house is red\n")
    assert scored.code == 0, scored.err
    assert scored.out.splitlines()[1].endswith("\tinf")
    assert scored.err.rstrip().endswith("perplexity inf")
    evaluated = regard("evaluate", tmp_path / "run", "--target-file", tmp_path / "text")
    assert evaluated.code == 0, evaluated.err
    assert "test/perplexity\tinf" in evaluated.out
