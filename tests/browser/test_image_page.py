"""The attention page of an image in a real Chromium: words shade patches, and patches shade words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from regard.observe.draw.page import render_page
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.trace import Trace

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

ROWS, COLUMNS = 3, 4
PATCHES = [f"{row + 1},{column + 1}" for row in range(ROWS) for column in range(COLUMNS)]
TARGET = ["▁a", "▁red", "▁cir", "cle", "</s>"]
STEP = 1 / 510 + 1e-4  # the rounding of weights in maps, and that of four digits


@pytest.fixture
def trace(make_trace: Callable[..., Trace]) -> Trace:
    text = make_trace(PATCHES, TARGET, layers=2, heads=4, groups=2, dim=8)
    maps = SentenceMaps(text.maps.source, text.maps.prefix, text.maps.target, text.maps.maps, (ROWS, COLUMNS))
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return text._replace(source="photo.png", maps=maps, image=pixels)


@pytest.fixture
def show(browser: Browser, trace: Trace, tmp_path: Path) -> Callable[..., None]:
    render_page(tmp_path / "page.html", [trace], "A page")
    return lambda view="", **options: browser.open(tmp_path / "page.html", view, **options)


def veils(browser: Browser) -> tuple[np.ndarray, np.ndarray]:
    """The opacity of the veil over each patch, and the weight that it shows."""
    script = (
        "return [...document.querySelectorAll('#veils rect')].map((v) => [Number(v.style.opacity), v.dataset.weight])"
    )
    opacity, weights = zip(*browser.run(script), strict=True)
    return np.array(opacity), np.array([np.nan if weight is None else float(weight) for weight in weights])


def test_the_image_is_shown_first_with_every_word_and_patch(browser: Browser, show: Callable[..., None]) -> None:
    show()
    assert browser.find("#picture").is_displayed()
    assert not browser.find("#lines").is_displayed()
    assert browser.texts("#words button") == [piece.replace("▁", "␣") for piece in TARGET]
    assert len(browser.attributes("#veils rect", "data-index")) == ROWS * COLUMNS
    assert browser.run("return document.querySelector('#patches image').href.baseVal").startswith("data:image/png")
    assert browser.find("#sentences img").size["height"] > 20
    opacity, weights = veils(browser)
    assert (opacity == 0).all()
    assert np.isnan(weights).all()


def test_pointing_at_a_word_dims_the_patches_that_it_does_not_read(
    browser: Browser, show: Callable[..., None], trace: Trace
) -> None:
    show("#map=decoder.1.cross&head=2")
    browser.hover("#words [data-index='1']")
    opacity, weights = veils(browser)
    expected = trace.maps.maps["decoder.1.cross"][2, 1]
    assert weights == pytest.approx(expected, abs=STEP)
    assert opacity.argmin() == expected.argmax()
    assert opacity.min() == 0
    assert np.array_equal(np.argsort(-opacity, kind="stable")[-3:], np.argsort(expected, kind="stable")[-3:])
    strongest = PATCHES[int(expected.argmax())]
    assert f"␣red attends to {strongest}" in browser.text("#readout")


def test_pointing_at_a_patch_shades_the_words_that_read_it(
    browser: Browser, show: Callable[..., None], trace: Trace
) -> None:
    show("#map=decoder.0.cross&head=1&key=6")
    shown = [float(weight) for weight in browser.attributes("#words button", "data-weight")]
    assert shown == pytest.approx(trace.maps.maps["decoder.0.cross"][1, :, 6].tolist(), abs=STEP)
    assert browser.attributes("#patch", "visibility") == ["visible"]
    assert (browser.attributes("#patch", "x"), browser.attributes("#patch", "y")) == (["2"], ["1"])
    assert "2,3 is attended to by" in browser.text("#readout")


def test_patches_of_the_encoder_read_each_other(browser: Browser, show: Callable[..., None], trace: Trace) -> None:
    show("#map=encoder.0.self&head=3&query=5")
    _, weights = veils(browser)
    assert weights == pytest.approx(trace.maps.maps["encoder.0.self"][3, 5], abs=STEP)
    assert not browser.find("#words").is_displayed()
    assert (browser.attributes("#patch", "x"), browser.attributes("#patch", "y")) == (["1"], ["1"])


def test_keys_move_over_words_and_patches(browser: Browser, show: Callable[..., None], trace: Trace) -> None:
    show("#map=decoder.1.cross&head=0")
    browser.run("document.querySelector('#words button').focus()")
    browser.press(Keys.ARROW_DOWN)
    browser.press(Keys.ENTER)
    assert "query=1" in browser.run("return location.hash")
    browser.run("document.querySelector('#patches').focus()")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN):
        browser.press(key)
    weight = trace.maps.maps["decoder.1.cross"][0, 1, 2 * COLUMNS + 1]
    assert f"␣red → 3,2: {weight:.2f}" in browser.text("#readout")
    browser.press(Keys.ENTER)
    assert f"key={2 * COLUMNS + 1}" in browser.run("return location.hash")
    assert browser.text("#origin h2").startswith("Computation of the weight")
    browser.press(Keys.ESCAPE)
    assert "key" not in browser.run("return location.hash")


def test_words_are_merged_and_patches_are_not(browser: Browser, show: Callable[..., None], trace: Trace) -> None:
    show("#map=decoder.1.cross&head=0&units=words&query=2")
    assert browser.texts("#words button") == ["a", "red", "circle", "</s>"]
    _, weights = veils(browser)
    assert weights == pytest.approx(trace.maps.maps["decoder.1.cross"][0, 2:4].mean(axis=0), abs=STEP)


@pytest.mark.parametrize("shape", ["lines", "map"])
def test_lines_and_map_are_available(browser: Browser, show: Callable[..., None], shape: str) -> None:
    show(f"#map=decoder.1.cross&shape={shape}")
    assert browser.find({"lines": "#lines", "map": "#grid"}[shape]).is_displayed()
    assert not browser.find("#picture").is_displayed()


def test_attention_between_words_has_no_image(browser: Browser, show: Callable[..., None]) -> None:
    show("#map=decoder.1.self")
    assert browser.find("#lines").is_displayed()
    assert not browser.find("[data-shape=picture]").is_displayed()
    browser.run("document.querySelectorAll('#kinds button')[2].click()")
    assert browser.find("#picture").is_displayed()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_the_image_fits(browser: Browser, show: Callable[..., None], theme: str, width: int) -> None:
    show("#query=1", theme=theme, width=width)
    box: Any = browser.find("#patches").rect
    assert box["width"] > 200
    assert box["x"] + box["width"] <= width
    assert browser.run("return document.documentElement.scrollWidth") <= width
