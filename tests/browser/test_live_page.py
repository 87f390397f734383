"""The live page in a real Chromium, opened from disk: it computes, shows and explains what PyTorch computes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from regard.exchange.page.page import Page
from regard.inference.decoding import Sampling
from regard.inference.generate import Writer
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.observe.record.maps import entropy
from regard.observe.record.trace import trace
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

TEXT = "the red house is very, very big"


@pytest.fixture(scope="module")
def translator_page(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(finished, tmp_path_factory.mktemp("live") / "translator.html")


@pytest.fixture(scope="module")
def language_page(finished_language: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(finished_language, tmp_path_factory.mktemp("live") / "language.html")


def written(run: RunFolder, page: Path) -> Path:
    Page().write(load_model(find_checkpoint(run.path)), run.path, page, "float32")
    return page


@pytest.fixture
def translator(finished: RunFolder) -> Translator:
    generator = load_model(find_checkpoint(finished.path)).generator
    assert isinstance(generator, Translator)
    return generator


@pytest.fixture
def language_model(finished_language: RunFolder) -> LanguageModel:
    generator = load_model(find_checkpoint(finished_language.path)).generator
    assert isinstance(generator, LanguageModel)
    return generator


def wait_for(browser: Browser, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    WebDriverWait(browser.driver, 20, poll_frequency=0.02).until(lambda _: browser.run(f"return {condition}"))


def open_page(browser: Browser, page: Path, **options: Any) -> None:
    browser.open(page, **options)
    wait_for(browser, "isReady")


def enter(browser: Browser, selector: str, value: object) -> None:
    """Replace the value of an input, as a user does."""
    browser.find(selector).clear()
    browser.find(selector).send_keys(str(value))


def enter_sentence(browser: Browser, text: str) -> None:
    """Enter a sentence, and wait until it is translated and shown."""
    enter(browser, "#input", text)
    wait_for(browser, f"data.sentences[0]?.sourceText === {text!r} && !document.body.matches('.busy')")


def test_it_opens_from_disk_under_a_policy_without_unsafe_sources(browser: Browser, translator_page: Path) -> None:
    """The fixture of the browser fails the test if the page uses the network or writes to the console."""
    open_page(browser, translator_page)
    (policy,) = browser.attributes("meta[http-equiv=Content-Security-Policy]", "content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "float32" in browser.text(".facts")
    (deviation,) = re.findall(r"differ from PyTorch by at most ([\d.e-]+)\.", browser.text("#deviation"))
    assert 0 < float(deviation) < 1e-3


def test_another_script_in_the_page_does_not_run(browser: Browser, translator_page: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.html"
    text = translator_page.read_text(encoding="utf-8")
    changed.write_text(text.replace("</body>", "<script>document.title = 'changed'</script></body>"), encoding="utf-8")
    open_page(browser, changed)
    assert browser.run("return document.title") == "Translation model"
    (said,) = browser.console()
    assert "Content Security Policy" in said


def test_it_starts_with_a_sample_of_the_run(browser: Browser, translator_page: Path, finished: RunFolder) -> None:
    open_page(browser, translator_page)
    wait_for(browser, "data.sentences.length")
    text = str(browser.run("return document.getElementById('input').value"))
    assert text in (finished.path / "samples.jsonl").read_text(encoding="utf-8")
    assert browser.run("return data.sentences[0].sourceText") == text


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_typed_sentence_is_translated_as_in_pytorch(
    browser: Browser, translator_page: Path, translator: Translator, beam_size: int
) -> None:
    open_page(browser, translator_page)
    enter(browser, "#beam-size", beam_size)
    enter_sentence(browser, TEXT)
    (example,), _ = translator.source.encode([TEXT])
    ((_, expected),) = translator.generate([example], beam_size, alpha=1.0)
    assert browser.text("#output") == translator.text(expected)
    pieces = translator.target_tokenizer.pieces(expected.tokens)
    assert browser.attributes("#chips button", "data-piece") == pieces
    probabilities = browser.attributes("#chips button", "data-probability")
    assert [probability is not None for probability in probabilities] == [beam_size == 1] * len(pieces)


def test_the_views_show_what_pytorch_computes_for_the_sentence(
    browser: Browser, translator_page: Path, translator: Translator
) -> None:
    open_page(browser, translator_page)
    enter_sentence(browser, TEXT)
    expected = trace(translator, TEXT)
    for kind in ("encoder.0.self", "decoder.0.self", "decoder.0.cross"):
        browser.run("go({ view: 'attention', map: arguments[0] })", kind)
        shown = [float(text) for text in browser.texts("#heads button")]
        assert shown == pytest.approx(entropy(expected.maps.maps[kind]), abs=0.0051)
    browser.run("go({ map: 'decoder.0.cross', head: 1, query: 2, key: 3 })")
    wait_for(browser, "document.getElementById('score') !== null")
    vectors = expected.vectors["decoder.0.cross"]
    score = vectors.query[1, 2] @ vectors.key[-1, 3] / vectors.query.shape[-1] ** 0.5
    assert float(browser.text("#score").replace("−", "-")) == pytest.approx(score, abs=0.0011)
    assert float(browser.text("#weight")) == pytest.approx(expected.maps.maps["decoder.0.cross"][1, 2, 3], abs=1e-4)
    browser.find("#tab-likelihood").click()
    shares = [float(share) for share in browser.attributes("#text button", "data-probability")]
    ids = [*translator.target_tokenizer.encode(expected.target), 2]
    assert len(shares) == len(ids) == len(expected.maps.target)
    temperature_1 = expected.likelihood.log_sums[:, list(browser.run("return data.temperatures")).index(1)]
    assert shares == pytest.approx(np.exp(expected.likelihood.logits - temperature_1).tolist(), abs=1e-4)


def test_earlier_sentences_can_be_selected(browser: Browser, translator_page: Path) -> None:
    open_page(browser, translator_page)
    for text in ("the house", "the boat is red"):
        enter_sentence(browser, text)
    shown = browser.texts("#sentences li span:first-child")
    assert shown[:2] == ["the boat is red", "the house"]
    browser.find("#sentences li:nth-child(2) button").click()
    assert browser.texts("#keys .spelt") == [
        piece.replace("▁", "␣") for piece in browser.run("return data.sentences[1].source")
    ]


def test_a_continuation_is_that_of_the_verb_for_the_same_seed(
    browser: Browser, language_page: Path, language_model: LanguageModel
) -> None:
    open_page(browser, language_page)
    for selector, value in {"#top-k": 40, "#top-p": 0.95, "#limit": 30, "#seed": 3, "#input": "the house"}.items():
        enter(browser, selector, value)
    browser.run("$('sampling-temperature').value = 0.9")
    browser.find("#run").click()
    wait_for(browser, "written?.kind === 'done' && data.sentences[0]?.targetText.length > 9")
    writer = Writer(language_model, Sampling(0.9, 40, 0.95), 30, 1, 3, lambda warning: None)
    expected = "".join(writer.stream("the house"))
    assert browser.text("#output") == expected
    assert browser.run("return data.sentences[0].targetText") == "the house" + expected
    assert "30 tokens in" in browser.text("#progress")


def test_the_next_token_is_shown_as_a_text_is_typed(
    browser: Browser, language_page: Path, language_model: LanguageModel
) -> None:
    open_page(browser, language_page)
    enter(browser, "#input", "the h")
    enter(browser, "#top-k", 4)
    wait_for(browser, "$('next').children.length === 4")
    logits = language_model.next_logits(language_model.encode_prompt("the h")[0])
    shares = Sampling(top_k=4).probabilities(logits[None])[0].topk(4).values.tolist()
    shown = [float(share) for share in browser.attributes("#next li", "data-probability")]
    assert shown == pytest.approx(shares, abs=1e-5)


def test_a_continuation_can_be_stopped(browser: Browser, language_page: Path, language_model: LanguageModel) -> None:
    ids, _ = language_model.encode_prompt("")
    lengths = (len(language_model.continue_prompts([ids], Sampling(2.0), 150, seed)[0]) for seed in range(100))
    long = next(seed for seed, length in enumerate(lengths) if length == 150)
    open_page(browser, language_page)
    browser.run("$('sampling-temperature').value = 2")
    enter(browser, "#limit", 150)
    enter(browser, "#seed", long)
    browser.driver.execute_async_script("""
        const stop = (done) => {
            if (!(written?.tokens.length > 3)) return setTimeout(stop, 1, done);
            $("halt").click();
            done();
        };
        $("input").value = "";
        run();
        stop(arguments[0]);
    """)
    assert browser.text("#progress").startswith("Stopped after ")
    count = len(browser.texts("#chips button"))
    assert 0 < count < 150
    wait_for(browser, "data.sentences[0]?.targetText === written.text")
    assert len(browser.texts("#chips button")) == count


def test_options_out_of_range_are_not_used(browser: Browser, translator_page: Path) -> None:
    open_page(browser, translator_page)
    enter_sentence(browser, "the house")
    enter(browser, "#beam-size", 0)
    browser.find("#run").click()
    assert browser.run("return !$('request').checkValidity()")
    assert not browser.run("return document.body.matches('.busy')")


@pytest.mark.parametrize("kind", ["translator_page", "language_page"])
def test_the_tour_explains_and_marks_one_element_at_each_stop(
    browser: Browser, kind: str, request: pytest.FixtureRequest
) -> None:
    open_page(browser, request.getfixturevalue(kind))
    enter(browser, "#input", "the house is red")
    wait_for(browser, "/house is red/.test(data.sentences[0]?.sourceText + data.sentences[0]?.targetText)")
    browser.find("#take-tour").click()
    titles = []
    while browser.find("#tour").is_displayed():
        titles.append(browser.text("#tour-title"))
        wait_for(browser, "document.querySelectorAll('.toured').length === 1")
        assert browser.find(".toured").is_displayed()
        browser.press(Keys.ENTER)  # the focus is on the button for the next stop
    assert titles == [
        "Tokens and embeddings", "Query and key", "Weights", "Value", "Heads and layers", "Layer by layer",
        "Likelihood", "Temperature",
    ]  # fmt: skip
    assert browser.run("return document.activeElement.id") == "take-tour"
    assert browser.texts(".toured") == []


def test_the_tour_is_left_with_escape_and_moves_with_arrows(browser: Browser, translator_page: Path) -> None:
    open_page(browser, translator_page)
    enter_sentence(browser, "the house")
    browser.find("#take-tour").click()
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert browser.text("#tour-title") == "Query and key"
    query = browser.run("return state.query")
    browser.press(Keys.ESCAPE)
    assert not browser.find("#tour").is_displayed()
    assert browser.run("return state.query") == query is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(browser: Browser, translator_page: Path, theme: str) -> None:
    open_page(browser, translator_page, theme=theme, width=400)
    enter_sentence(browser, TEXT)
    browser.find("#take-tour").click()
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
