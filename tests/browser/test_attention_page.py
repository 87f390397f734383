"""The attention page in a real Chromium: what it draws, says and does is what was recorded."""

from __future__ import annotations

import html
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
from regard.observe.draw.palette import DARK, LIGHT, Stops
from regard.observe.record.likelihood import TEMPERATURES
from regard.observe.record.maps import entropy
from regard.observe.record.trace import Trace

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

LAYERS, HEADS, GROUPS, DIM = 2, 4, 2, 8
SOURCE = ["▁two", "▁men", "▁walk", ".", "</s>"]
TARGET = ["▁zwei", "▁Männer", "▁gehen", "▁spa", "zieren", ".", "</s>"]
STEP = 1 / 510 + 1e-4  # the rounding of weights in maps, and that of four digits

Show = Callable[..., Trace]


@pytest.fixture
def show(browser: Browser, make_trace: Callable[..., Trace], tmp_path: Path) -> Show:
    """Opens the page of a sentence at an address; what was recorded of it."""

    def show(view: str = "", source: list[str] = SOURCE, target: list[str] = TARGET, **options: Any) -> Trace:
        trace = make_trace(source, target, LAYERS, HEADS, GROUPS, DIM)
        render_page(tmp_path / "page.html", [trace], "A page", "to test")
        browser.open(tmp_path / "page.html", view, **options)
        return trace

    return show


def shown(token: str) -> str:
    return token.replace("▁", "␣")


def colours(weights: np.ndarray, stops: Stops) -> np.ndarray:
    at = [position for position, _ in stops]
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in stops])
    steps = np.rint(weights * 255) / 255
    return np.stack([np.interp(steps, at, rgb[:, channel]) for channel in range(3)], axis=-1)


def pixels(browser: Browser) -> np.ndarray:
    """The colours of the large map, one pixel a cell."""
    (href,) = browser.attributes("#map image", "href")
    return np.asarray(Image.open(BytesIO(b64decode(href.split(",")[1]))).convert("RGB"))


def head(browser: Browser) -> tuple[str, str]:
    (name,) = browser.attributes("#heads [aria-pressed=true]", "data-map")
    (number,) = browser.attributes("#heads [aria-pressed=true]", "data-head")
    return name, number


def beside(browser: Browser, side: str) -> np.ndarray:
    """The weights that stand beside the tokens of a side."""
    return np.array(browser.attributes(f"#{side} li", "data-weight"), dtype=float)


def wait_for_origin(browser: Browser) -> None:
    browser.driver.execute_async_script("""
        const look = (done) => document.getElementById("score") ? done() : setTimeout(look, 5, done);
        look(arguments[0]);
    """)


@pytest.mark.parametrize("kind", ["encoder.{}.self", "decoder.{}.self", "decoder.{}.cross"])
def test_every_head_is_drawn_and_the_map_is_the_data(browser: Browser, show: Show, kind: str) -> None:
    name = kind.format(1)
    maps = show(f"#map={name}&head=2&shape=map").maps
    assert head(browser) == (name, "2")
    buttons = browser.texts("#heads button")
    assert len(buttons) == len(browser.texts("#heads canvas")) == LAYERS * HEADS
    for index, text in enumerate(buttons):
        layer, number = divmod(index, HEADS)
        assert float(text) == pytest.approx(entropy(maps.maps[kind.format(layer)])[number], abs=0.0051)
    np.testing.assert_allclose(pixels(browser), colours(maps.maps[name][2], LIGHT), atol=1)
    queries, keys = maps.tokens(name)
    assert browser.texts("#map text") == [shown(token) for token in queries + keys]


def test_the_dark_theme_has_its_own_colours(browser: Browser, show: Show) -> None:
    maps = show("#shape=map", theme="dark").maps
    np.testing.assert_allclose(pixels(browser), colours(maps.maps["decoder.1.cross"][0], DARK), atol=1)


@pytest.mark.parametrize(
    "view", ["", "#sentence=9&map=constructor&head=-1&query=x&view=y&units=toString&temperature=3"]
)
def test_it_opens_on_the_last_cross_attention_also_from_a_wrong_address(
    browser: Browser, show: Show, view: str
) -> None:
    show(view)
    assert head(browser) == ("decoder.1.cross", "0")
    assert browser.attributes("#lines [aria-pressed=true]", "class") == []
    assert browser.find("#lines").is_displayed()


def test_a_language_model_has_only_its_own_kind(browser: Browser, show: Show) -> None:
    show("", [], ["▁ein", "▁Satz", "</s>"])
    assert browser.texts("#kinds button") == ["Decoder self-attention"]
    assert head(browser) == ("decoder.1.self", "0")
    assert not browser.find("#columns").is_displayed()


def test_pointing_at_a_query_draws_its_weights(browser: Browser, show: Show) -> None:
    row = show("#map=decoder.0.cross&head=1").maps.maps["decoder.0.cross"][1, 2]
    browser.hover("#queries li:nth-child(3) button")
    assert np.abs(beside(browser, "keys") - row).max() <= STEP
    assert browser.attributes("#queries li", "data-weight") == [None] * len(TARGET)
    assert set(browser.attributes("#lit .link", "data-query")) == {"2"}
    keys = [int(key) for key in browser.attributes("#lit .link", "data-key")]
    weights = [float(weight) for weight in browser.attributes("#lit .link", "data-weight")]
    np.testing.assert_allclose(weights, row[keys], atol=STEP)
    assert set(keys) >= set(np.flatnonzero(row > 0.01).tolist())
    widths = [float(width) for width in browser.attributes("#lit .link", "stroke-width")]
    opacities = [float(opacity) for opacity in browser.attributes("#lit .link", "stroke-opacity")]
    assert widths == sorted(widths)
    np.testing.assert_allclose(opacities, 0.12 + 0.88 * np.array(weights), atol=0.002)
    most = shown(SOURCE[row.argmax()])
    said = re.match(rf"␣gehen attends to {re.escape(most)} (0\.\d\d)", browser.text("#readout"))
    assert said
    assert float(said[1]) == pytest.approx(row.max(), abs=STEP + 0.005)


def test_pointing_at_a_key_draws_its_weights(browser: Browser, show: Show) -> None:
    column = show("#map=decoder.0.cross&head=3").maps.maps["decoder.0.cross"][3, :, 1]
    browser.hover("#keys li:nth-child(2) button")
    assert np.abs(beside(browser, "queries") - column).max() <= STEP
    assert set(browser.attributes("#lit .link", "data-key")) == {"1"}
    assert browser.text("#readout").startswith(f"␣men is attended to by {shown(TARGET[column.argmax()])} ")


def test_a_line_leads_from_token_to_token(browser: Browser, show: Show) -> None:
    show("#map=decoder.1.self&head=0")
    browser.hover("#queries li:nth-child(5) button")
    middles = """
      const middle = (node) => { const box = node.getBoundingClientRect(); return (box.top + box.bottom) / 2; };
      return [...document.querySelectorAll("#lit .link")].map((link) => {
        const [ends, box] = [link.getTotalLength(), link.ownerSVGElement.getBoundingClientRect()];
        const at = (length) => box.top + link.getPointAtLength(length).y;
        const token = (side, index) => middle(document.querySelectorAll(`#${side} .token`)[index]);
        return [at(0) - token("queries", link.dataset.query), at(ends) - token("keys", link.dataset.key)];
      });
    """
    found = np.array(browser.run(middles))
    assert len(found) >= 3
    assert np.abs(found).max() < 1


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize(
    ("view", "pointed"),
    [
        (
            "attention",
            ["#queries li:nth-child(2) button", "#keys li:nth-child(4) button", "#queries li:nth-child(7) button"],
        ),
        ("likelihood", ["#text button:nth-of-type(2)", "#text button:nth-of-type(4)"]),
        ("layers", ["#overview tbody tr:nth-child(2)", "#overview tbody tr:nth-child(4)"]),
    ],
)
def test_nothing_moves_when_a_token_is_pointed_at(
    browser: Browser, show: Show, view: str, pointed: list[str], width: int
) -> None:
    target = [*TARGET[:3], "▁a_token_that_is_much_longer_than_any_panel_is_wide_on_a_phone_or_so", *TARGET[4:]]
    show(f"#view={view}&map=decoder.1.cross&head=1", target=target, width=width, height=2400)
    script = """return [...document.querySelectorAll("button, h2, section, #links, footer")].map((node) => {
      const { x, y, height } = node.getBoundingClientRect(); return [x, y, height]; });"""
    browser.hover("h1")
    before = browser.run(script)
    for selector in pointed:
        said = browser.texts("#readout, #candidates-of, #ladder-of")
        browser.hover(selector)
        assert browser.texts("#readout, #candidates-of, #ladder-of") != said
        assert browser.run(script) == before


@pytest.mark.parametrize("view", ["", "&shape=map"])
def test_the_selection_is_not_covered_by_the_panel_that_explains_it(browser: Browser, show: Show, view: str) -> None:
    tokens = [f"▁word{number}" for number in range(40)]
    show(f"#map=decoder.1.cross&head=1&query=30&key=33{view}", tokens, tokens)
    wait_for_origin(browser)
    picked = "#frame" if view else "#queries li:nth-child(31), #keys li:nth-child(34)"
    script = """
      const bottoms = [...document.querySelectorAll(arguments[0])].map((node) => node.getBoundingClientRect().bottom);
      return document.getElementById("origin").getBoundingClientRect().top - Math.max(...bottoms);
    """
    assert browser.run(script, picked) > 0


def origin(trace: Trace, name: str, head: int, query: int, key: int) -> dict[str, np.ndarray]:
    """What the page should derive, from the recorded vectors."""
    queries, keys, values = trace.vectors[name]
    group = head // (len(queries) // len(keys))
    seen = query + 1 if name.startswith("decoder") and name.endswith("self") else keys.shape[1]
    scores = keys[group, :seen] @ queries[head, query] / np.sqrt(DIM)
    weights = np.exp(scores) / np.exp(scores).sum()
    products = queries[head, query] * keys[group, key] / np.sqrt(DIM)
    passed = weights[key] * values[group, key]
    return {"query": queries[head, query], "key": keys[group, key], "product": products, "value": values[group, key],
            "passed": passed, "scores": scores, "weights": weights}  # fmt: skip


@pytest.mark.parametrize("name", ["encoder.1.self", "decoder.0.self", "decoder.1.cross"])
@pytest.mark.parametrize("number", range(HEADS))
def test_a_weight_is_explained_by_the_recorded_vectors(browser: Browser, show: Show, name: str, number: int) -> None:
    trace = show(f"#map={name}&head={number}&query=3&key=1")
    wait_for_origin(browser)
    found = origin(trace, name, number, 3, 1)
    for strip in ("query", "key", "product", "value", "passed"):
        values = browser.attributes(f".strip[data-name={strip}] .bar", "data-value")
        np.testing.assert_allclose(np.array(values, dtype=float), found[strip], rtol=3e-3, atol=3e-3)

    def numeral(text: str) -> float:
        return float(text.replace("−", "-"))

    assert numeral(browser.text("#score")) == pytest.approx(found["scores"][1], abs=6e-3)
    assert numeral(browser.text("#score")) == pytest.approx(found["product"].sum(), abs=6e-3)
    division = re.search(r"e\^(\S+) ÷ (\S+) = ", browser.text("#origin"))
    assert division
    assert np.exp(numeral(division[1])) / numeral(division[2]) == pytest.approx(found["weights"][1], abs=2e-3)
    assert float(browser.text("#weight")) == pytest.approx(found["weights"][1], abs=2e-3)
    assert float(browser.text("#weight")) == pytest.approx(trace.maps.maps[name][number, 3, 1], abs=2e-3)
    order = [int(key) for key in browser.attributes("#rivals tbody tr", "data-key")]
    assert sorted(order) == list(range(len(found["scores"])))  # what causality hides is no rival
    scores = [numeral(text) for text in browser.texts("#rivals td:nth-child(2)")]
    weights = [float(text) for text in browser.texts("#rivals td:nth-child(3)")]
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores, found["scores"][order], atol=6e-3)
    np.testing.assert_allclose(weights, found["weights"][order], atol=2e-3)
    np.testing.assert_allclose(np.exp(scores) / np.exp(scores).sum(), weights, atol=2e-3)
    assert browser.attributes("#rivals [aria-current=true]", "data-key") == ["1"]
    assert len(browser.texts("#numbers tbody tr")) == DIM


def test_clicking_a_line_explains_it_and_a_rival_is_a_click_away(browser: Browser, show: Show) -> None:
    show("#map=decoder.1.cross&head=0&query=2")
    strongest = browser.driver.find_elements("css selector", "#lit .hit")[-1]
    key = strongest.get_attribute("data-key")
    at = browser.run(
        "const [path, box] = [arguments[0], arguments[0].ownerSVGElement.getBoundingClientRect()];"
        "const { x, y } = path.getPointAtLength(path.getTotalLength() * 0.93);"
        "return [box.left + x * box.width / 100, box.top + y];",
        strongest,
    )
    browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": at[0], "y": at[1]})
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}
        browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait_for_origin(browser)
    assert f"query=2&key={key}" in browser.driver.current_url
    assert browser.attributes("#rivals [aria-current=true]", "data-key") == [key]
    browser.find("#rivals tbody tr:nth-child(3) button").click()
    (other,) = browser.attributes("#rivals [aria-current=true]", "data-key")
    assert other != key
    assert browser.run("return document.activeElement.closest('tr').dataset.key") == other  # the focus is not lost
    browser.find("#close").click()
    assert browser.run("return document.activeElement.parentNode.parentNode.id") == "queries"
    assert "query" not in browser.driver.current_url
    assert "Select a line" in browser.text("#origin")


def test_a_masked_key_has_no_score(browser: Browser, show: Show) -> None:
    show("#map=decoder.1.self&head=0&query=1&key=4")
    browser.driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert "masked" in browser.text("#origin")
    assert browser.texts("#rivals") == []


def test_a_channel_says_its_numbers_to_pointer_and_keyboard(browser: Browser, show: Show) -> None:
    found = origin(show("#map=decoder.1.cross&head=3&query=3&key=1"), "decoder.1.cross", 3, 3, 1)
    wait_for_origin(browser)
    browser.run("[...document.querySelectorAll('#rivals button')].at(-1).focus()")
    browser.press(Keys.TAB)  # on to the bars of the value
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    said = browser.texts(".channel")[1].replace("−", "-")
    assert said.startswith("channel 2: ")
    assert float(said.split("= ")[1]) == pytest.approx(found["passed"][2], abs=2e-3)


def test_pointing_at_a_cell_says_its_weight_and_clicking_explains_it(browser: Browser, show: Show) -> None:
    maps = show("#map=decoder.1.cross&head=3&shape=map").maps
    x, y = browser.run(
        "const box = document.getElementById('map').getBoundingClientRect();"
        "return [box.left + place.left + 1.5 * place.cell, box.top + place.top + 4.5 * place.cell];"
    )
    browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    said = re.fullmatch(r"zieren → ␣men: (0\.\d\d)", browser.text("#tip"))
    assert said
    assert browser.find("#tip").is_displayed()
    assert float(said[1]) == pytest.approx(maps.maps["decoder.1.cross"][3, 4, 1], abs=STEP + 0.005)
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait_for_origin(browser)
    assert "query=4&key=1" in browser.driver.current_url


def test_words_are_sums_over_key_pieces_and_means_over_query_pieces(browser: Browser, show: Show) -> None:
    source = ["▁two", "▁m", "en", "▁walk", "</s>"]
    weights = show("#map=decoder.1.cross&head=2&units=words&query=3", source).maps.maps["decoder.1.cross"][2]
    assert browser.texts("#queries .token") == ["zwei", "Männer", "gehen", "spazieren.", "</s>"]
    assert browser.texts("#keys .token") == ["two", "men", "walk", "</s>"]
    row = weights[3:6].mean(axis=0)
    merged = [row[0], row[1] + row[2], row[3], row[4]]
    np.testing.assert_allclose(beside(browser, "keys"), merged, atol=2 * STEP)
    browser.find("#keys li:nth-child(2) button").click()
    pieces = np.array(browser.texts("#pieces td button"), dtype=float).reshape(3, 2)
    np.testing.assert_allclose(pieces, weights[3:6, 1:3], atol=STEP)
    browser.find("#pieces tr:nth-child(3) td:nth-of-type(2) button").click()
    wait_for_origin(browser)
    assert "query=4&key=2" in browser.driver.current_url
    browser.find("[data-units=words]").click()
    assert "query=3&key=1" in browser.driver.current_url


def test_the_keyboard_reaches_what_the_pointer_does(browser: Browser, show: Show) -> None:
    maps = show("#map=decoder.1.cross&head=1").maps
    browser.run("document.querySelector('#heads [aria-pressed=true]').focus()")
    browser.press(Keys.ARROW_UP, Keys.ARROW_UP, *[Keys.ARROW_RIGHT] * 4, Keys.ARROW_LEFT)
    assert head(browser) == ("decoder.0.cross", "2")
    assert "head=2" in browser.driver.current_url
    weights = maps.maps["decoder.0.cross"][2]
    browser.press(Keys.TAB)
    assert browser.text("#readout").startswith("␣zwei attends to ")
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.text("#readout").startswith("␣gehen attends to ")
    assert np.abs(beside(browser, "keys") - weights[2]).max() <= STEP
    browser.press(Keys.ENTER)
    browser.press(Keys.ARROW_RIGHT)  # across, to its largest weight
    strongest = int(weights[2].argmax())
    assert browser.text("#readout").startswith(f"{shown(SOURCE[strongest])} is attended to by ")
    browser.press(Keys.ENTER)
    wait_for_origin(browser)
    assert f"query=2&key={strongest}" in browser.driver.current_url
    browser.press(Keys.ESCAPE)
    assert "query" not in browser.driver.current_url
    assert browser.find("#readout").get_attribute("role") in (None, "status")  # an output element: a live region


def test_the_map_is_walked_with_arrow_keys(browser: Browser, show: Show) -> None:
    maps = show("#map=decoder.0.cross&head=0&shape=map").maps
    browser.run("document.querySelector('#heads [aria-pressed=true]').focus()")
    browser.press(Keys.TAB)
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    said = re.fullmatch(r"␣Männer → ␣walk: (0\.\d\d)", browser.text("#readout"))
    assert said
    assert float(said[1]) == pytest.approx(maps.maps["decoder.0.cross"][0, 1, 2], abs=STEP + 0.005)
    browser.press(Keys.ENTER)
    assert "query=1&key=2" in browser.driver.current_url


def test_tabs_are_moved_between_with_arrow_keys(browser: Browser, show: Show) -> None:
    show()
    browser.run("document.querySelector('[role=tab][aria-selected=true]').focus()")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.find("#likelihood").is_displayed()
    assert not browser.find("#attention").is_displayed()
    browser.press(Keys.ARROW_RIGHT)
    assert browser.find("#layers").is_displayed()
    assert "view=layers" in browser.driver.current_url
    show()
    browser.run("document.querySelector('#kinds [aria-pressed=true]').focus()")
    browser.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert head(browser) == ("encoder.1.self", "0")
    assert browser.run("return document.activeElement.textContent") == "Encoder self-attention"


def test_chances_are_right_at_every_stop_of_the_slider(browser: Browser, show: Show) -> None:
    likelihood = show("#view=likelihood&token=2").likelihood
    browser.run("document.getElementById('temperature').focus()")
    browser.press(Keys.HOME)
    for number, temperature in enumerate(TEMPERATURES):
        assert browser.text("#stop") == f"{temperature:.1f}"
        own = np.array(browser.attributes("#text button", "data-probability"), dtype=float)
        np.testing.assert_allclose(own, likelihood.probabilities(temperature), rtol=1e-3)
        best = np.array(browser.attributes("#candidates li", "data-probability"), dtype=float)[:10]
        wanted = np.exp(likelihood.candidate_logits[2] / temperature - likelihood.log_sums[2, number])
        np.testing.assert_allclose(best, wanted, rtol=1e-3)
        for text, share in zip(browser.texts("#candidates .percent")[:3], wanted, strict=False):
            assert float(text.split()[-2]) == pytest.approx(max(100 * share, 0.0001), rel=0.06)  # less is "< 0.0001 %"
        browser.press(Keys.ARROW_RIGHT)
    assert "temperature=2" in browser.driver.current_url


def test_pointing_at_a_token_lists_what_else_might_stand_there(browser: Browser, show: Show) -> None:
    likelihood = show("#view=likelihood").likelihood
    for token in (0, 4):
        browser.hover(f"#text button:nth-of-type({token + 1})")
        listed = browser.texts("#candidates .spelt")
        assert listed[:10] == [shown(piece) for piece in likelihood.candidates[token]]
        assert browser.texts("#candidates .written .spelt") == [shown(TARGET[token])]
        assert shown(TARGET[token]) in browser.text("#candidates-of")
    browser.run("document.querySelector('#text button').focus()")
    browser.press(Keys.ARROW_RIGHT)
    assert shown(TARGET[1]) in browser.text("#candidates-of")


def test_layers_say_what_the_lens_saw(browser: Browser, show: Show) -> None:
    lens = show("#view=layers&token=3").lens
    cells = np.array(browser.attributes("#overview td", "data-probability"), dtype=float)
    np.testing.assert_allclose(cells.reshape(len(TARGET), LAYERS + 1), lens.probabilities.T, atol=1e-6)
    for token in (3, 5):
        browser.hover(f"#overview tbody tr:nth-child({token + 1})")
        assert browser.texts("#ladder tbody th") == lens.layers
        pieces = np.array(browser.texts("#ladder td .spelt")).reshape(LAYERS + 1, 5)
        assert pieces.tolist() == [[shown(piece) for piece in layer[token]] for layer in lens.candidates]
        shares = np.array(browser.attributes("#ladder td:not(.rank)", "data-probability"), dtype=float)
        np.testing.assert_allclose(shares.reshape(LAYERS + 1, 5), lens.candidate_probabilities[:, token], atol=1e-6)
        ranks = [int(re.sub(r"\D", "", text)) - 1 for text in browser.texts("#ladder .rank b")]
        assert ranks == lens.ranks[:, token].tolist()
        written = sum(TARGET[token] in layer[token] for layer in lens.candidates)
        assert len(browser.texts("#ladder .written")) == written


@pytest.mark.parametrize("view", ["units=words&query=0&key=0", "shape=map", "view=likelihood", "view=layers"])
def test_hostile_tokens_are_shown_and_do_nothing(browser: Browser, show: Show, view: str) -> None:
    tokens = ["</script><script>document.title='broken'</script>", "<img src=x onerror=alert(1)>", "&lt;", '"', "</s>"]
    show(f"#{view}", tokens, tokens[::-1])
    browser.run("document.getElementById('tab-attention').click()")
    browser.run("document.querySelector('[data-units=pieces]').click()")
    browser.run("document.querySelector('[data-shape=lines]').click()")
    browser.run("document.querySelectorAll('#keys button')[1].click()")
    browser.run("document.querySelectorAll('#queries button')[1].click()")
    wait_for_origin(browser)
    assert browser.texts("#keys .token") == tokens
    assert browser.driver.title == "A page"
    assert browser.run("return document.scripts.length") == 3
    assert browser.run("return document.images.length") == 0


def test_arabic_tokens_run_from_right_to_left(browser: Browser, show: Show) -> None:
    show("#map=decoder.0.self", SOURCE, ["▁الجمعة", "،", "▁٥", "▁يوليو", "</s>"])
    assert browser.attributes("#queries, #keys", "dir") == ["rtl", "rtl"]  # although the keys start with <s>
    show("#map=decoder.0.self")
    assert browser.attributes("#queries, #keys", "dir") == ["ltr", "ltr"]


def test_missing_vectors_are_reported(browser: Browser, show: Show, tmp_path: Path) -> None:
    trace = show()
    render_page(tmp_path / "small.html", [trace], "A page", max_bytes=1)
    browser.open(tmp_path / "small.html", "#query=1&key=1")
    browser.driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert "not in this page" in browser.text("#origin")
    assert "1 sentence" in browser.text("#left-out")
    show("")
    browser.run("delete window.DecompressionStream; document.querySelectorAll('#keys button')[1].click()")
    browser.run("document.querySelectorAll('#queries button')[1].click()")
    browser.driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert "DecompressionStream" in browser.text("#origin")


def test_nothing_is_wider_than_a_phone(browser: Browser, show: Show) -> None:
    for view in ("query=1&key=1", "shape=map", "view=likelihood", "view=layers"):
        show(f"#{view}", width=420)
        assert browser.run("return document.documentElement.scrollWidth") <= 420


def test_it_works_in_a_frame_without_an_address(browser: Browser, show: Show, tmp_path: Path) -> None:
    show()
    page = html.escape((tmp_path / "page.html").read_text(encoding="utf-8"))
    frame = f'<!doctype html><iframe sandbox="allow-scripts" width="1200" height="800" srcdoc="{page}"></iframe>'
    (tmp_path / "frame.html").write_text(frame, encoding="utf-8")  # as dashboards show it
    browser.open(tmp_path / "frame.html")
    browser.driver.switch_to.frame(0)
    browser.find("#queries li:nth-child(2) button").click()
    assert browser.attributes("#queries [aria-pressed=true]", "data-index") == ["1"]
    browser.driver.switch_to.default_content()


def test_errors_and_requests_of_a_page_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<script>fetch('http://127.0.0.1:9/').catch(() => 0); throw new Error('boom')</script>")
    chromium.open(page)
    assert "boom" in "".join(chromium.console())
    assert chromium.requests() == ["http://127.0.0.1:9/"]


def test_the_page_may_not_reach_the_network(chromium: Browser, show: Show) -> None:
    show()
    chromium.run("fetch('http://127.0.0.1:9/').catch(() => 0)")
    chromium.driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert "Content Security Policy" in "".join(chromium.console())
    assert chromium.requests() == []
