"""The live page of a captioner in a real Chromium: it reads, describes and shows images as PyTorch does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.support.wait import WebDriverWait

from regard.exchange.page.page import Page
from regard.inference.captioner import Captioner
from regard.observe.draw.packing import pack_sentence
from regard.observe.record.trace import trace
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model

if TYPE_CHECKING:
    from tests.browser.conftest import Browser


@pytest.fixture(scope="module")
def captioner(finished_captioning: RunFolder) -> Captioner:
    generator = load_model(find_checkpoint(finished_captioning.path)).generator
    assert isinstance(generator, Captioner)
    return generator


@pytest.fixture(scope="module")
def page(finished_captioning: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("live") / "captioner.html"
    model = load_model(find_checkpoint(finished_captioning.path))
    Page().check(model)
    Page().write(model, finished_captioning.path, page, "float32")
    return page


def noise(folder: Path, width: int, height: int, mode: str = "RGB") -> Path:
    """An image file of random pixels, some of them transparent with the mode RGBA."""
    values = np.random.default_rng(width).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    if mode == "RGBA":
        values[..., 3] = 255 * (values[..., 3] > 128)
    path = folder / f"{width}x{height}.png"
    Image.fromarray(values).save(path)
    return path


def choose(browser: Browser, file: Path) -> None:
    browser.find("#file").send_keys(str(file))


def wait_for(browser: Browser, condition: str) -> None:
    WebDriverWait(browser.driver, 20, poll_frequency=0.02).until(lambda _: browser.run(f"return {condition}"))


@pytest.mark.parametrize(
    ("width", "height", "mode"), [(61, 47, "RGB"), (300, 201, "RGB"), (24, 24, "RGB"), (9, 14, "RGB"), (50, 31, "RGBA")]
)
def test_an_image_is_resized_and_described_as_in_pytorch(
    browser: Browser, page: Path, captioner: Captioner, tmp_path: Path, width: int, height: int, mode: str
) -> None:
    file = noise(tmp_path, width, height, mode)
    browser.open(page)
    wait_for(browser, "data.sentences[0]?.sourceText === 'example.png'")  # that of the run
    choose(browser, file)
    wait_for(browser, f"data.sentences[0].sourceText === '{file.name}'")
    given = captioner.source.read(str(file))
    found = np.array(browser.run("return [...picture.pixels]")).reshape(given.pixels.shape)
    np.testing.assert_array_equal(found, given.pixels)
    expected = trace(captioner, given)
    assert browser.text("#output") == expected.target
    sentence: Any = browser.run(
        "const { maps, ...rest } = data.sentences[0];"
        "return { ...rest, weights: Object.fromEntries(Object.entries(maps).map(([k, m]) => [k, [...m.bytes]])) };"
    )
    packed = pack_sentence(expected)
    assert tuple(sentence["grid"]) == packed["grid"]
    for key in ("targetText", "source", "prefix", "target", "words", "vectors"):
        assert sentence[key] == packed[key], key
    assert sentence["weights"].keys() == expected.maps.maps.keys()
    for name, weights in expected.maps.maps.items():
        np.testing.assert_allclose(
            np.array(sentence["weights"][name]).reshape(weights.shape) / 255, weights, atol=1 / 500
        )
    assert browser.find("#picture").is_displayed()
    assert browser.attributes("#patches image", "href") == [sentence["image"]]


def test_a_file_that_is_no_image_is_named(browser: Browser, page: Path, tmp_path: Path) -> None:
    (tmp_path / "no image.txt").write_text("text", encoding="utf-8")
    browser.open(page)
    wait_for(browser, "isReady")
    choose(browser, tmp_path / "no image.txt")
    wait_for(browser, "$('progress').textContent.includes('no image.txt: the browser cannot read it')")
