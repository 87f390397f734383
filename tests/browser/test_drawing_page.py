"""The page of drawn images in a real Chromium: words shade patches, patches read words, and steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from regard.observe.draw.drawing.page import render_drawings
from regard.observe.record.drawing import DrawingTrace

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

PIECES = ["▁a", "▁red", "▁cir", "cle", "</s>"]
WORDS = ["a", "red", "circle", "</s>"]
STEPS, COLUMNS = 4, 4
ROUNDING = 1 / 500 + 1e-4


@pytest.fixture
def trace(make_drawing: Callable[..., DrawingTrace]) -> DrawingTrace:
    return make_drawing(PIECES, steps=STEPS)


@pytest.fixture
def show(browser: Browser, trace: DrawingTrace, tmp_path: Path) -> Callable[..., None]:
    render_drawings(tmp_path / "page.html", [trace], "A page")
    return lambda view="", **options: browser.open(tmp_path / "page.html", view, **options)


def merged(trace: DrawingTrace) -> np.ndarray:
    """The weights of words: "layer step head patch word"."""
    weights = np.stack(list(trace.maps.cross.values()))
    return np.concatenate([weights[..., :2], weights[..., 2:4].sum(axis=-1, keepdims=True), weights[..., 4:]], axis=-1)


def shown(browser: Browser, selector: str) -> np.ndarray:
    return np.array([float(weight) for weight in browser.attributes(selector, "data-weight")])


def opacity(browser: Browser) -> np.ndarray:
    script = "return [...document.querySelectorAll('#veils rect')].map((veil) => Number(veil.style.opacity))"
    return np.array(browser.run(script))


def test_a_word_shades_the_patches_that_read_it(
    browser: Browser, show: Callable[..., None], trace: DrawingTrace
) -> None:
    show("#layer=1&head=0&step=2")
    weights = merged(trace)[1, 2, 0]
    assert browser.texts("#words .label") == WORDS
    assert shown(browser, "#words button") == pytest.approx(weights.mean(axis=0), abs=ROUNDING)
    browser.hover("#words [data-index='2']")
    assert shown(browser, "#veils rect") == pytest.approx(weights[:, 2], abs=ROUNDING)
    veils = opacity(browser)
    assert veils.argmin() == weights[:, 2].argmax()
    assert veils.min() == 0
    row, column = divmod(int(weights[:, 2].argmax()), COLUMNS)
    assert f"circle is read most by the patch in row {row + 1}, column {column + 1}" in browser.text("#readout")
    assert browser.texts("#heads button")[0] == ""
    assert browser.text("#name") == "Layer 1, head 0"
    assert "conditional half of the guided pass" in browser.text("#lead")


def test_a_patch_shows_the_words_that_it_reads(
    browser: Browser, show: Callable[..., None], trace: DrawingTrace
) -> None:
    show("#patch=6&step=1")
    expected = merged(trace)[:, 1].mean(axis=(0, 1))[6]
    assert shown(browser, "#bars li") == pytest.approx(expected, abs=ROUNDING)
    assert browser.text("#bars-of") == "The patch in row 2, column 3 reads"
    assert (browser.attributes("#patch", "x"), browser.attributes("#patch", "y")) == (["2"], ["1"])
    strongest = WORDS[int(expected.argmax())]
    assert f"reads most {strongest}: {expected.max():.2f}" in browser.text("#readout")


def test_the_mean_over_steps_layers_and_heads_is_shown_first(
    browser: Browser, show: Callable[..., None], trace: DrawingTrace
) -> None:
    show()
    mean = merged(trace).mean(axis=(0, 1, 2))
    assert shown(browser, "#words button") == pytest.approx(mean.mean(axis=0), abs=ROUNDING)
    assert browser.text("#name") == "Mean over layers, mean over heads"
    assert browser.attributes("#all-steps", "aria-pressed") == ["true"]
    contrast = (mean.max(axis=0) / mean.mean(axis=0))[:3]
    assert browser.attributes("#words [aria-pressed=true]", "data-index") == [str(contrast.argmax())]
    assert len(browser.attributes("#heads button", "aria-label")) == 3 * 3
    assert len(browser.attributes("#curves path[data-index]", "d")) == 3, "the end of the prompt is not drawn"


def test_the_slider_selects_a_step(browser: Browser, show: Callable[..., None], trace: DrawingTrace) -> None:
    show("#word=0")
    before = browser.attributes("#noisy", "src")
    browser.run("document.querySelector('#step').focus()")
    browser.press(Keys.HOME)
    assert "step=0" in browser.run("return location.hash")
    assert browser.attributes("#noisy", "src") != before
    assert browser.text("#at") == f"step 1 of {STEPS}, time 0.00"
    browser.press(Keys.ARROW_RIGHT)
    assert shown(browser, "#veils rect") == pytest.approx(merged(trace)[:, 1].mean(axis=(0, 1))[:, 0], abs=ROUNDING)
    assert browser.text("#at") == f"step 2 of {STEPS}, time 0.25"
    browser.find("#all-steps").click()
    assert "step" not in browser.run("return location.hash")


def test_keys_move_over_words_heads_and_patches(browser: Browser, show: Callable[..., None]) -> None:
    show("#word=0")
    browser.run("document.querySelector('#words button').focus()")
    browser.press(Keys.ARROW_RIGHT)
    browser.press(Keys.ENTER)
    assert "word=1" in browser.run("return location.hash")
    browser.run("document.querySelector('#heads [aria-pressed=true]').focus()")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN):
        browser.press(key)
    assert "layer=1&head=0" in browser.run("return location.hash")
    browser.run("document.querySelector('#patches').focus()")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER):
        browser.press(key)
    assert f"patch={COLUMNS + 1}" in browser.run("return location.hash")
    browser.press(Keys.ESCAPE)
    assert not {"word", "patch"} & set(browser.run("return location.hash.slice(1).split(/[=&]/)"))
    assert (opacity(browser) == 0).all()


def test_patches_read_patches_and_words_read_words(
    browser: Browser, show: Callable[..., None], trace: DrawingTrace
) -> None:
    show("#kind=patches&layer=1&head=1&patch=4")
    assert shown(browser, "#veils rect") == pytest.approx(trace.maps.patches["decoder.1.self"][1, 4], abs=ROUNDING)
    assert not browser.find("#words").is_displayed()
    assert not browser.find("#time").is_displayed()
    browser.run("document.querySelectorAll('#kinds button')[2].click()")
    browser.run('document.querySelector(\'#heads [data-head="1"][data-layer="0"]\').click()')
    browser.run("document.querySelectorAll('#words button')[1].focus()")
    expected = trace.maps.prompt["encoder.0.self"][1, 1]
    expected = np.array([*expected[:2], expected[2:4].sum(), expected[4]])
    browser.hover("#words [data-index='1']")
    assert shown(browser, "#bars li") == pytest.approx(expected, abs=ROUNDING)
    assert shown(browser, "#words button") == pytest.approx(expected, abs=ROUNDING)
    assert browser.text("#bars-of") == "red reads"


def test_several_drawings_are_listed(
    browser: Browser, trace: DrawingTrace, make_drawing: Callable[..., DrawingTrace], tmp_path: Path
) -> None:
    other = make_drawing(["▁two", "</s>"], steps=2, seed=8)
    render_drawings(tmp_path / "page.html", [trace, other], "A page", notes=["given", "first"])
    browser.open(tmp_path / "page.html", "#step=3")
    assert browser.texts("#drawings span") == ["a red circle", "two"]
    assert browser.texts("#drawings small") == ["given", "first"]
    browser.run("document.querySelectorAll('#drawings button')[1].click()")
    assert browser.texts("#words .label") == ["two", "</s>"]
    assert browser.run("return location.hash").startswith("#drawing=1")
    assert browser.attributes("#step", "max") == ["1"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_the_page_fits(browser: Browser, show: Callable[..., None], theme: str, width: int) -> None:
    show("#patch=2", theme=theme, width=width)
    box = browser.find("#patches").rect
    assert box["width"] > 200
    assert box["x"] + box["width"] <= width
    assert browser.run("return document.documentElement.scrollWidth") <= width
