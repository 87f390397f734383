from __future__ import annotations

import json
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regard.observe.maps import SentenceMaps, entropy
from regard.observe.page import render_page

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "\"'&amp;", "🙂", "العربية", "\u2028", "]]>", "</s>"]


class Reader(HTMLParser):
    """What a browser's parser sees: elements by name with their attributes, and the text inside each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        key = self.elements[-1][1].get("id") or self.elements[-1][0] if self.elements else ""
        self.text[key] = self.text.get(key, "") + data

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.text["data"])


def sentence(source: list[str], target: list[str]) -> SentenceMaps:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(len(source), 0.3), size=(2, len(target))).astype(np.float32)
    weights[:, 1] = 0  # a fully masked row
    return SentenceMaps(source, ["<s>", *target[:-1]], target, {"decoder.0.cross": weights})


def rendered(path: Path, *sentences: SentenceMaps, **words: Any) -> str:
    render_page(path / "page.html", sentences, **{"title": "A title"} | words)
    return (path / "page.html").read_text(encoding="utf-8")


def test_any_token_survives_unchanged_and_breaks_nothing(tmp_path: Path) -> None:
    page = Reader(rendered(tmp_path, sentence(HOSTILE, HOSTILE[::-1])))
    assert page.data["sentences"][0]["source"] == HOSTILE
    assert page.data["sentences"][0]["target"] == HOSTILE[::-1]
    assert [tag for tag, _ in page.elements].count("script") == 2


def test_weights_are_within_half_a_step_and_entropies_are_exact(tmp_path: Path) -> None:
    maps = sentence(list("abcde"), list("xyz"))
    [packed] = Reader(rendered(tmp_path, maps)).data["sentences"][0]["maps"].values()
    weights = maps.maps["decoder.0.cross"]
    steps = np.frombuffer(b64decode(packed["steps"]), dtype=np.uint8).reshape(weights.shape)
    assert np.abs(steps / 255 - weights).max() <= 1 / 510 + 1e-6
    np.testing.assert_allclose(packed["entropy"], entropy(weights), atol=1e-4)


def test_a_head_without_rows_has_no_entropy(tmp_path: Path) -> None:
    maps = SentenceMaps([], ["<s>"], ["</s>"], {"decoder.0.self": np.zeros((1, 1, 1), np.float32)})
    assert Reader(rendered(tmp_path, maps)).data["sentences"][0]["maps"]["decoder.0.self"]["entropy"] == [None]


def test_the_sentences_are_spelt_from_their_pieces(tmp_path: Path) -> None:
    page = Reader(rendered(tmp_path, sentence(["▁two", "▁m", "en", ".", "</s>"], ["▁zwei", "!", "</s>"])))
    assert page.data["sentences"][0]["sourceText"] == "two men."
    assert page.data["sentences"][0]["targetText"] == "zwei!"


def test_nothing_points_outside_the_file(tmp_path: Path) -> None:
    html = rendered(tmp_path, sentence(list("ab"), list("xy")))
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    elements = Reader(html).elements
    assert [value for _, attributes in elements for name, value in attributes.items() if name in ("src", "href")] == [
        "data:,"
    ]
    assert any((attributes.get("content") or "").startswith("default-src 'none';") for _, attributes in elements)


def test_title_subtitle_and_facts_are_text(tmp_path: Path) -> None:
    words = {"title": "<b>T</b>", "subtitle": "</p>S", "facts": {"<i>name": "<script>value"}}
    html = rendered(tmp_path, sentence(list("ab"), list("xy")), **words)
    for text in ("<b>T", "</p>S", "<i>name", "<script>value"):
        assert text not in html
        assert text.replace("<", "&lt;").replace(">", "&gt;") in html


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        rendered(tmp_path)
    with pytest.raises(ValueError, match="at least one map"):
        rendered(tmp_path, SentenceMaps([], ["<s>"], ["</s>"], {}))
    assert list(tmp_path.iterdir()) == []
