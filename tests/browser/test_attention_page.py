"""The attention page in a real headless Chromium: what it draws, says and does, read from its DOM."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regard.observe.maps import SentenceMaps, entropy
from regard.observe.page import render_page
from regard.observe.palette import DARK, LIGHT, Stops

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium found; install the package chromium")

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--enable-logging=stderr",
    "--window-size=1280,900",
]
LAYERS, HEADS = 2, 4
SOURCE = ["▁two", "▁men", "▁walk", ".", "</s>"]
TARGET = ["▁zwei", "▁Männer", "▁gehen", "▁spa", "zieren", ".", "</s>"]


def translation(source: list[str] = SOURCE, target: list[str] = TARGET, layers: int = LAYERS) -> SentenceMaps:
    rng = np.random.default_rng(7)

    def weights(queries: int, keys: int) -> np.ndarray:
        return rng.dirichlet(np.full(keys, 0.4), size=(HEADS, queries)).astype(np.float32)

    maps = {}
    for layer in range(layers):
        maps[f"encoder.{layer}.self"] = weights(len(source), len(source))
        maps[f"decoder.{layer}.self"] = np.tril(weights(len(target), len(target)))
        maps[f"decoder.{layer}.cross"] = weights(len(target), len(source))
    return SentenceMaps(source, ["<s>", *target[:-1]], target, maps)


class Node:
    """An element of the dumped DOM."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes, self.children, self.text = tag, attributes, list[Node](), ""

    def all(self, tag: str) -> list[Node]:
        """The descendants called ``tag``, in order."""
        return [found for c in self.children for found in ([c] if c.tag == tag else []) + c.all(tag)]


@dataclass
class Shown:
    """A page after its script ran: its elements by id, its scripts, and what it said on the console."""

    ids: dict[str, Node]
    root: Node
    console: list[str]

    def pressed(self, group: str) -> Node:
        [button] = [node for node in self.ids[group].all("button") if node.attributes.get("aria-pressed") == "true"]
        return button

    def head(self) -> tuple[str | None, str | None]:
        chosen = self.pressed("heads").attributes
        return chosen["data-map"], chosen["data-head"]

    def key_weights(self) -> list[float]:
        return [float(node.attributes.get("data-weight") or "nan") for node in self.ids["keys"].children]

    def pixels(self) -> np.ndarray:
        """The colours of the large map, one pixel a cell."""
        [image] = self.ids["map"].all("image")
        return np.asarray(Image.open(BytesIO(b64decode((image.attributes["href"] or "").split(",")[1]))).convert("RGB"))


class Reader(HTMLParser):
    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {})
        self.open, self.ids = [self.root], dict[str, Node]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        self.ids[node.attributes.get("id") or ""] = node
        if tag not in self.VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        while tag not in self.VOID and self.open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for node in self.open:
            node.text += data


def show(folder: Path, sentence: SentenceMaps, view: str = "", then: str = "", *options: str) -> Shown:
    """Open the page of ``sentence`` at the address part ``view``, run the script ``then``, read the DOM."""
    page = folder / "page.html"
    render_page(page, [sentence], "A page", "to test")
    if then:
        page.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{then}</script></body>"), "utf-8")
    command = [str(BROWSER), *QUIET, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, f"{page.as_uri()}{view}"], capture_output=True, timeout=60, check=True)
    reader = Reader()
    reader.feed(done.stdout.decode("utf-8"))
    console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return Shown(reader.ids, reader.root, console)


def colours(weights: np.ndarray, stops: Stops) -> np.ndarray:
    at = [position for position, _ in stops]
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in stops])
    steps = np.rint(weights * 255) / 255
    return np.stack([np.interp(steps, at, rgb[:, channel]) for channel in range(3)], axis=-1)


@pytest.mark.parametrize("block", ["encoder.{}.self", "decoder.{}.self", "decoder.{}.cross"])
def test_every_head_is_drawn_and_the_numbers_are_the_data(tmp_path: Path, block: str) -> None:
    sentence, name = translation(), block.format(1)
    page = show(tmp_path, sentence, f"#sentence=0&map={name}&head=2&query=3")
    assert page.console == []
    assert page.head() == (name, "2")
    buttons = page.ids["heads"].all("button")
    assert len(page.ids["heads"].all("canvas")) == len(buttons) == LAYERS * HEADS
    for index, button in enumerate(buttons):
        layer, head = divmod(index, HEADS)
        shown = block.format(layer)
        assert (button.attributes["data-map"], button.attributes["data-head"]) == (shown, str(head))
        assert float(button.text) == pytest.approx(entropy(sentence.maps[shown])[head], abs=0.0051)

    weights = sentence.maps[name][2]
    assert np.abs(np.array(page.key_weights()) - weights[3]).max() <= 1 / 255
    np.testing.assert_allclose(page.pixels(), colours(weights, LIGHT), atol=1)
    queries, keys = sentence.tokens(name)
    labels = [node.text for node in page.ids["map"].all("text")]
    assert labels == [token.replace("▁", "␣") for token in queries + keys]
    assert page.pressed("queries").text == queries[3].replace("▁", "␣")


def test_it_opens_on_the_last_cross_attention_also_from_a_wrong_address(tmp_path: Path) -> None:
    for view in ("", "#sentence=9&map=constructor&head=-1&query=x"):
        page = show(tmp_path, translation(), view)
        assert page.head() == ("decoder.1.cross", "0")
        assert np.isnan(page.key_weights()).all()
        assert page.console == []


def test_a_language_model_has_only_its_own_block(tmp_path: Path) -> None:
    target = ["▁ein", "▁Satz", "</s>"]
    whole = translation([], target)
    maps = {name: weights for name, weights in whole.maps.items() if name.endswith("self") and weights.size}
    page = show(tmp_path, SentenceMaps([], whole.prefix, target, maps))
    assert [button.text for button in page.ids["blocks"].all("button")] == ["Decoder self-attention"]
    assert page.head() == ("decoder.1.self", "0")
    assert page.console == []


def test_arrow_keys_move_between_heads_and_stop_at_the_edge(tmp_path: Path) -> None:
    press = """
      const press = (key) =>
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      document.querySelector("#heads [aria-pressed=true]").focus();
      for (const key of ["Up", "Up", "Right", "Right", "Right", "Right", "Left"]) press("Arrow" + key);
      document.title = location.hash;
    """
    page = show(tmp_path, translation(), "#map=decoder.1.cross&head=1", press)
    assert page.head() == ("decoder.0.cross", "2")
    assert "head=2" in page.root.all("title")[0].text
    assert page.console == []


def test_pointing_at_a_cell_says_its_weight(tmp_path: Path) -> None:
    point = """
      const box = document.getElementById("map").getBoundingClientRect();
      const [x, y] = [place.left + 1.5 * place.cell, place.top + 4.5 * place.cell];
      const at = { clientX: box.left + x, clientY: box.top + y };
      document.getElementById("map").dispatchEvent(new PointerEvent("pointermove", { ...at, bubbles: true }));
    """
    sentence = translation()
    page = show(tmp_path, sentence, "#map=decoder.1.cross&head=3", point)
    said = re.fullmatch(r"zieren → ␣men: (0\.\d\d)", page.ids["tip"].text)
    assert said
    assert "hidden" not in page.ids["tip"].attributes
    assert float(said[1]) == pytest.approx(sentence.maps["decoder.1.cross"][3, 4, 1], abs=1 / 255 + 0.005)
    assert page.console == []


def test_pointing_at_a_query_token_shades_the_keys_it_asks(tmp_path: Path) -> None:
    point = 'document.querySelectorAll("#queries button")[2].dispatchEvent(new PointerEvent("pointerenter"))'
    sentence = translation()
    page = show(tmp_path, sentence, "#map=decoder.0.cross&head=1&query=5", point)
    row = sentence.maps["decoder.0.cross"][1, 2]
    assert np.abs(np.array(page.key_weights()) - row).max() <= 1 / 255
    most = SOURCE[row.argmax()].replace("▁", "␣")
    said = re.match(rf"␣gehen reads {re.escape(most)} (0\.\d\d)", page.ids["readout"].text)
    assert said
    assert float(said[1]) == pytest.approx(row.max(), abs=1 / 255 + 0.005)
    marked = [node.text for node in page.ids["map"].all("text") if "on" in (node.attributes["class"] or "").split()]
    assert marked[0] == "␣gehen"
    assert most in marked


def test_hostile_tokens_are_shown_as_they_are(tmp_path: Path) -> None:
    tokens = [
        "</script><script>document.title='broken'</script>",
        "<img src=x onerror=alert(1)>",
        "&lt;",
        '"',
        "🙂",
        "</s>",
    ]
    page = show(tmp_path, translation(tokens, tokens[::-1]), "#query=0")
    assert [node.text for node in page.ids["keys"].children] == tokens
    assert page.root.all("title")[0].text == "A page"
    assert len(page.root.all("script")) == 2
    assert page.root.all("img") == []
    assert page.console == []


def test_arabic_tokens_run_from_right_to_left(tmp_path: Path) -> None:
    page = show(tmp_path, translation(SOURCE, ["▁الجمعة", "،", "▁٥", "▁يوليو", "</s>"]), "#map=decoder.0.self")
    assert page.ids["queries"].attributes["dir"] == "rtl"
    assert page.ids["keys"].attributes["dir"] == "rtl"  # although it starts with <s>
    assert show(tmp_path, translation()).ids["queries"].attributes["dir"] == "ltr"


def test_the_dark_theme_has_its_own_colours(tmp_path: Path) -> None:
    sentence = translation()
    page = show(tmp_path, sentence, "", "", "--blink-settings=preferredColorScheme=0")
    np.testing.assert_allclose(page.pixels(), colours(sentence.maps["decoder.1.cross"][0], DARK), atol=1)


def test_an_error_of_the_page_would_be_seen(tmp_path: Path) -> None:
    assert "boom" in "".join(show(tmp_path, translation(), "", "throw new Error('boom')").console)


def test_the_page_may_not_reach_the_network(tmp_path: Path) -> None:
    page = show(tmp_path, translation(), "", "fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert "Content Security Policy" in "".join(page.console)
