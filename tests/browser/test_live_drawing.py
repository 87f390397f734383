"""The live page of an image model in a real Chromium: it draws what PyTorch draws, and shows the same attention."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
import torch
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from regard.exchange.page.page import Page
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.observe.draw.drawing.packing import pack_drawing
from regard.observe.record.drawing import DrawingTrace, trace_drawings
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import LoadedModel, load_model

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

PROMPT = "a small red circle above a large blue star"


@pytest.fixture(scope="module")
def loaded(finished_drawing: RunFolder) -> LoadedModel:
    """A model whose layers are not the identity, as they are at the start of training."""
    model = load_model(find_checkpoint(finished_drawing.path))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.model.named_parameters():
        if "gate" in name or "modulation" in name or "pixels" in name:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def page(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    Page().check(loaded)
    Page().write(loaded, folder, folder / "draw.html", "float32")
    return folder / "draw.html"


def wait_for(browser: Browser, condition: str) -> None:
    WebDriverWait(browser.driver, 20, poll_frequency=0.02).until(lambda _: browser.run(f"return {condition}"))


def enter(browser: Browser, **values: object) -> None:
    for name, value in values.items():
        browser.run("document.getElementById(arguments[0]).value = arguments[1]", name.replace("_", "-"), str(value))


def traced(loaded: LoadedModel, drawing: Drawing, seed: int) -> DrawingTrace:
    assert isinstance(loaded.generator, TextToImage)
    (trace,) = trace_drawings(loaded.generator, [Wanted(PROMPT, seed)], drawing)
    return trace


def pixels(address: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(BytesIO(b64decode(address.split(",")[1]))).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("drawing", "seed"), [(Drawing(4), 0), (Drawing(3, 1.0), 5), (Drawing(3, 2.5, "heun"), 2**40 + 7)]
)
def test_it_draws_and_shows_what_pytorch_draws_for_the_same_seed(
    browser: Browser, page: Path, loaded: LoadedModel, drawing: Drawing, seed: int
) -> None:
    browser.open(page)
    wait_for(browser, "isReady")
    enter(browser, draw_steps=drawing.steps, draw_guidance=drawing.guidance, draw_solver=drawing.solver, seed=seed)
    browser.find("#input").send_keys(PROMPT, Keys.ENTER)
    wait_for(browser, "data.drawings.length")
    expected = traced(loaded, drawing, seed)
    packed: Any = pack_drawing(expected, drawing.steps, True)
    found: Any = browser.run(
        "const plain = (maps) => maps.map(({ tops, bytes }) => ({ tops, bytes: [...bytes] }));"
        "const { cross, patches, between, ...rest } = data.drawings[0];"
        "return { ...rest, cross: plain(cross), patches: plain(patches), between: plain(between) };"
    )
    for key in ("prompt", "seed", "words", "count", "steps"):
        assert found[key] == packed[key], key
    assert found["times"] == pytest.approx(expected.times)
    for key in ("noisy", "predicted"):
        for address, image in zip(found[key], getattr(expected, key), strict=True):
            assert np.abs(pixels(address) - image).max() <= 1
    assert np.abs(pixels(found["image"]) - expected.image).max() <= 1
    assert expected.image.std() > 10  # it is not one colour
    for key in ("cross", "patches", "between"):
        for mine, theirs in zip(found[key], packed[key], strict=True):
            np.testing.assert_allclose(mine["tops"], theirs["tops"], rtol=2e-3)
            shares = np.frombuffer(b64decode(theirs["shares"]), np.uint8).astype(int)
            assert np.abs(np.array(mine["bytes"]) - shares).max() <= 1
    assert browser.attributes("#patches image", "href") == [found["image"]]
    assert browser.texts("#words .label") != []


def test_it_states_the_deviation_of_its_predictions(browser: Browser, page: Path) -> None:
    browser.open(page)
    wait_for(browser, "isReady")
    assert "differs from PyTorch by at most 0.0" in browser.text("#deviation")
    (policy,) = browser.attributes("meta[http-equiv=Content-Security-Policy]", "content")
    assert "unsafe" not in policy


def test_the_tour_marks_an_element_at_each_stop(browser: Browser, page: Path) -> None:
    browser.open(page)
    wait_for(browser, "isReady")
    enter(browser, draw_steps=2)
    browser.find("#input").send_keys(PROMPT, Keys.ENTER)
    wait_for(browser, "data.drawings.length")
    browser.find("#take-tour").click()
    titles = []
    while browser.find("#tour").is_displayed():
        titles.append(browser.text("#tour-title"))
        wait_for(browser, "document.querySelectorAll('.toured').length === 1")
        assert browser.find(".toured").is_displayed()
        browser.press(Keys.ENTER)
    assert titles[0] == "Tokens and embeddings"
    assert titles[-1] == "Guidance"
    assert len(titles) == 6


def test_a_drawing_can_be_stopped(browser: Browser, page: Path) -> None:
    browser.open(page)
    wait_for(browser, "isReady")
    enter(browser, draw_steps=200)
    browser.find("#input").send_keys(PROMPT, Keys.ENTER)
    wait_for(browser, "begun?.steps.length > 1")
    browser.run("$('halt').click()")
    assert browser.text("#progress").startswith("Stopped after step ")
    assert not browser.run("return data.drawings.length")
