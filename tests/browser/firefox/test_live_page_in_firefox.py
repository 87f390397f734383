"""The live page in a real Firefox, opened from disk: it writes what PyTorch writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from regard.exchange.page.page import Page
from regard.inference.decoding import Sampling
from regard.inference.generate import Writer
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model

if TYPE_CHECKING:
    from tests.browser.firefox.conftest import Firefox

pytestmark = pytest.mark.xdist_group("firefox")

TEXT = "the red house is very, very big"


def opened(firefox: Firefox, run: RunFolder, page: Path) -> Translator | LanguageModel:
    loaded = load_model(find_checkpoint(run.path))
    Page().write(loaded, run.path, page, "float32")
    firefox.open(page)
    firefox.wait_for("isReady")
    assert isinstance(loaded.generator, Translator | LanguageModel)
    return loaded.generator


def enter(firefox: Firefox, **values: object) -> None:
    """Replace the values of inputs, by their ids."""
    for name, value in values.items():
        of = f"document.getElementById('{name.replace('_', '-')}')"
        firefox.run(f"{of}.value = {str(value)!r}")
        firefox.run(f"{of}.dispatchEvent(new Event('input', {{ bubbles: true }}))")


def test_it_translates_what_is_entered(firefox: Firefox, finished: RunFolder, tmp_path: Path) -> None:
    translator = opened(firefox, finished, tmp_path / "model.html")
    assert isinstance(translator, Translator)
    enter(firefox, input=TEXT)
    firefox.wait_for(f"data.sentences[0]?.sourceText === {TEXT!r} && !document.body.matches('.busy')")
    examples, _ = translator.source.encode([TEXT])
    ((_, hypothesis),) = translator.generate(examples)
    assert firefox.run("document.getElementById('output').textContent") == translator.text(hypothesis)


def test_it_samples_the_same_continuation(firefox: Firefox, finished_language: RunFolder, tmp_path: Path) -> None:
    model = opened(firefox, finished_language, tmp_path / "model.html")
    assert isinstance(model, LanguageModel)
    enter(firefox, top_k=40, top_p=0.95, limit=30, seed=3, sampling_temperature=0.9, input="the house")
    firefox.run("document.getElementById('run').click()")
    firefox.wait_for("written?.kind === 'done' && data.sentences[0]?.targetText.length > 9")
    writer = Writer(model, Sampling(0.9, 40, 0.95), 30, 1, 3, lambda warning: None)
    assert firefox.run("document.getElementById('output').textContent") == "".join(writer.stream("the house"))
