"""The live page as a file: its size, what it states about its weights, and the input that it is opened with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.exchange.page import pictures
from regard.exchange.page.deviation import forced_logits, measure_deviation, random_examples
from regard.exchange.page.statements import example_input
from regard.exchange.page.weights import WeightFormat
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model

Model = Translator | LanguageModel


@pytest.fixture(params=["finished", "finished_language"])
def model(request: pytest.FixtureRequest) -> Model:
    run: RunFolder = request.getfixturevalue(request.param)
    generator = load_model(find_checkpoint(run.path)).generator
    assert isinstance(generator, Translator | LanguageModel)
    return generator


def test_fewer_bits_deviate_more_and_float32_does_not(model: Model) -> None:
    formats: tuple[WeightFormat, ...] = ("float32", "float16", "int8")
    exact, half, bytes_ = (measure_deviation(model, kind) for kind in formats)
    assert (exact.largest, exact.mean, exact.same) == (0, 0, 1)
    assert 0 < half.mean < half.largest < bytes_.largest
    assert half.mean < bytes_.mean < bytes_.largest
    assert exact.positions == sum(len(example.output) + 1 for example in random_examples(model))


@torch.inference_mode()
def test_the_deviation_is_that_of_rounded_matrices(model: Model) -> None:
    examples = random_examples(model)
    before = [forced_logits(model, model.model, example) for example in examples]
    found = measure_deviation(model, "float16")
    for parameter in model.model.parameters():
        if parameter.dim() == 2:
            parameter.data = parameter.data.half().float()
    after = [forced_logits(model, model.model, example) for example in examples]
    assert found.largest == pytest.approx((torch.cat(after) - torch.cat(before)).abs().max().item())


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_the_verb_writes_one_page_and_says_how_much_its_logits_deviate(
    regard: Callable[..., Any], finished: RunFolder, tmp_path: Path, weights: str
) -> None:
    page = tmp_path / "page.html"
    said = regard("export", finished.path, "--to", "page", "--output", page, "--weights", weights)
    assert said.code == 0, said.err
    assert re.search(r"^deviation of logits\tat most [\d.e-]+, [\d.e-]+ on average$", said.out, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    text = page.read_text(encoding="utf-8")
    assert f"Matrices are stored as {weights}" in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)


def test_what_a_page_cannot_compute_is_refused_before_anything_is_written(
    regard: Callable[..., Any], finished_captioning: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "PatchEncoder", type("OtherEncoder", (), {}))
    said = regard("export", finished_captioning.path, "--to", "page", "--output", tmp_path / "new" / "page.html")
    assert said.code == 2
    assert "--to page: model.encoder=PatchEncoder: expected TextEncoder or PatchEncoder" in said.err
    assert not (tmp_path / "new").exists()


def test_a_page_of_a_run_is_opened_with_a_short_sample(finished: RunFolder, tmp_path: Path) -> None:
    assert example_input(finished.path)
    assert example_input(find_checkpoint(finished.path)) == ""
    (tmp_path / "samples.jsonl").write_text("not JSON\n", encoding="utf-8")
    assert example_input(tmp_path) == ""
