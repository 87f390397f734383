"""The page of layers without attention weights: their kernels, and all else without maps."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from regard.observe.draw.page import render_page
from regard.observe.draw.palette import DARK, LIGHT
from regard.observe.record.kernels import Kernels, summarize_kernels
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.mixers import OtherMixer
from regard.observe.record.trace import Trace

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

CHANNELS, DISTANCES = 5, 40
TARGET = ["▁zwei", "▁Männer", "▁gehen", ".", "</s>"]

Show = Callable[..., None]


def decaying(directions: int, ranges: int = 256, seed: int = 0) -> Kernels:
    rng = np.random.default_rng(seed)
    decay = np.linspace(0.3, 0.95, CHANNELS)[:, None] ** np.arange(DISTANCES)
    return summarize_kernels(rng.uniform(0.2, 1, size=(directions, CHANNELS, DISTANCES)) * decay, ranges)


ONE, TWO, COARSE = decaying(1), decaying(2, seed=1), decaying(1, ranges=12)


@pytest.fixture
def show(browser: Browser, make_trace: Callable[..., Trace], tmp_path: Path) -> Show:
    """Opens the page of a model with ``mixers`` and no maps at an address."""

    def show(mixers: dict[str, Kernels | None], view: str = "", **options: Any) -> None:
        named = {name: OtherMixer("H3, a state-space model", kernels) for name, kernels in mixers.items()}
        trace = make_trace([], TARGET, mixers=named)
        bare = SentenceMaps([], trace.maps.prefix, TARGET, {})
        render_page(tmp_path / "page.html", [trace._replace(maps=bare, vectors={})], "A page")
        browser.open(tmp_path / "page.html", view, **options)

    return show


def tabs(browser: Browser) -> list[str]:
    return [text.strip() for text in browser.texts("#views button:not([hidden])")]


@pytest.mark.parametrize(("theme", "stops"), [("light", LIGHT), ("dark", DARK)])
def test_the_map_has_the_values_of_every_channel(browser: Browser, show: Show, theme: str, stops: Any) -> None:
    show({"encoder.0.self": TWO, "decoder.0.self": ONE, "decoder.1.self": None}, theme=theme)
    assert tabs(browser) == ["Kernels", "Token probabilities", "Predictions by layer"]
    assert browser.texts("#stack li") == [
        "encoder layer 0: H3, a state-space model, no attention weights",
        "decoder layer 0: H3, a state-space model, no attention weights",
        "decoder layer 1: H3, a state-space model, no attention weights or kernels",
    ]
    assert browser.texts("#directions figcaption") == ["Distance to earlier positions", "Distance to later positions"]
    scales = np.abs(TWO.high).max(axis=(0, 2))
    for direction, href in enumerate(browser.attributes(".kernel-map image", "href")):
        pixels = np.asarray(Image.open(BytesIO(b64decode(href.split(",")[1]))).convert("RGB")).astype(int)
        assert len(pixels) == CHANNELS
        columns = (np.arange(DISTANCES) + 0.5) / DISTANCES * pixels.shape[1]
        shares = (TWO.high[direction] / scales[:, None])[TWO.longest_first]
        at = [position for position, _ in stops]
        reds = [int(colour[1:3], 16) for _, colour in stops]
        wanted = np.interp(shares, at, reds)
        assert np.abs(pixels[:, columns.astype(int), 0] - wanted).max() <= 4  # steps of 1/127


def test_pointing_at_a_cell_tells_its_value_and_draws_its_channel(browser: Browser, show: Show) -> None:
    show({"decoder.0.self": ONE}, "#channel=2")
    assert browser.text("#kernel-readout").startswith(f"channel 2: memory length {ONE.memory[0, 2]}, of at most 39.")
    before = browser.attributes(".kernel-map .band", "d")
    browser.run("document.querySelector('#tab-kernels').focus()")
    browser.press(*[Keys.TAB] * 3, Keys.ARROW_UP, *[Keys.ARROW_RIGHT] * 4)
    row = ONE.longest_first.tolist().index(2) - 1
    channel = int(ONE.longest_first[row])
    said = re.fullmatch(
        r"channel (\d+): memory length (\d+), of at most 39. Value at distance 4: (0\.\d+)",
        browser.text("#kernel-readout"),
    )
    assert said
    assert (int(said[1]), int(said[2])) == (channel, ONE.memory[0, channel])
    assert float(said[3]) == pytest.approx(ONE.high[0, channel, 4], abs=ONE.high[0, channel].max() / 200)
    assert browser.attributes(".kernel-map .band", "d") != before
    browser.press(Keys.ENTER)
    assert f"channel={channel}" in browser.driver.current_url
    browser.press(Keys.ESCAPE)
    assert "channel" not in browser.driver.current_url
    browser.hover(".kernel-map image")
    assert f"channel {ONE.longest_first[CHANNELS // 2]}: " in browser.text("#kernel-readout")
    assert re.search("Value at distance (19|20): ", browser.text("#kernel-readout"))


def test_ranges_of_distances_are_named_on_a_logarithmic_axis(browser: Browser, show: Show) -> None:
    show({"decoder.0.self": COARSE})
    assert browser.attributes("#axes [aria-pressed=true]", "data-axis") == ["logarithmic"]
    browser.run("document.querySelector('#axes [aria-pressed=true]').focus()")
    browser.press(Keys.TAB, Keys.TAB, *[Keys.ARROW_RIGHT] * 20)
    first, last = COARSE.starts[-2], DISTANCES - 1
    low, high = (values[0, COARSE.longest_first[0], -1] for values in (COARSE.low, COARSE.high))
    said = re.search(rf"Value at distances {first} to {last}: ([\d.]+) to ([\d.]+)$", browser.text("#kernel-readout"))
    assert said
    np.testing.assert_allclose([float(said[1]), float(said[2])], [low, high], atol=COARSE.high.max() / 200)
    browser.find("[data-axis=linear]").click()
    assert "axis=linear" in browser.driver.current_url


def test_layers_are_selected_and_nothing_moves_or_is_wider_than_a_phone(browser: Browser, show: Show) -> None:
    for width in (420, 1280):
        show({"encoder.0.self": TWO, "decoder.0.self": ONE}, "#kernel=encoder.0.self", width=width, height=2600)
        script = """return [...document.querySelectorAll("button, h2, section, .kernel-map, footer")].map((node) => {
          const { x, y, height } = node.getBoundingClientRect(); return [x, y, height]; });"""
        browser.hover("h1")
        before = browser.run(script)
        browser.hover(".kernel-map image")
        assert "Value at" in browser.text("#kernel-readout")
        assert browser.run(script) == before
        readout = browser.find("#kernel-readout")
        assert browser.run("return arguments[0].scrollHeight - arguments[0].clientHeight", readout) <= 0
        assert browser.run("return document.documentElement.scrollWidth") <= width
        browser.run("document.querySelector('#stack [aria-pressed=true]').focus()")
        browser.press(Keys.ARROW_DOWN)
        assert "kernel=decoder.0.self" in browser.driver.current_url
        assert len(browser.texts(".kernel-map")) == 1


def test_a_model_that_records_nothing_has_its_predictions(browser: Browser, show: Show) -> None:
    show({"decoder.0.self": None}, "#view=attention&map=decoder.0.self&query=1&channel=3")
    assert tabs(browser) == ["Token probabilities", "Predictions by layer"]
    assert browser.text("#mixers").endswith("no attention weights or kernels.")
    assert len(browser.texts("#text button")) == len(TARGET)
    browser.run("document.querySelector('[role=tab][aria-selected=true]').focus()")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.find("#layers").is_displayed()
    assert len(browser.texts("#overview tbody tr")) == len(TARGET)


def test_maps_come_first_if_some_layers_have_attention(
    browser: Browser, make_trace: Callable[..., Trace], tmp_path: Path
) -> None:
    trace = make_trace(["▁a", "</s>"], TARGET, mixers={"decoder.2.self": OtherMixer("H3", ONE)})
    render_page(tmp_path / "page.html", [trace], "A page")
    browser.open(tmp_path / "page.html")
    assert tabs(browser) == ["Attention", "Kernels", "Token probabilities", "Predictions by layer"]
    assert browser.find("#attention").is_displayed()
    browser.find("#tab-kernels").click()
    assert len(browser.texts(".kernel-map")) == 1
    assert "decoder layer 2" in browser.text("#mixers")
