"""What the attention page holds: every number of a `Trace`, within the rounding that it states, and nothing else."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regard.observe.draw.packing import spans
from regard.observe.draw.page import Omitted, render_page
from regard.observe.record.likelihood import TEMPERATURES
from regard.observe.record.maps import SentenceMaps, entropy
from regard.observe.record.trace import Trace

MakeTrace = Callable[..., Trace]

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


def rendered(path: Path, *sentences: Trace, **words: Any) -> str:
    render_page(path / "page.html", sentences, **{"title": "A title"} | words)
    return (path / "page.html").read_text(encoding="utf-8")


def test_any_token_survives_unchanged_and_breaks_nothing(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(HOSTILE, HOSTILE[::-1])._replace(source=HOSTILE[0])
    page = Reader(rendered(tmp_path, trace))
    assert page.data["sentences"][0]["source"] == HOSTILE
    assert page.data["sentences"][0]["target"] == HOSTILE[::-1]
    assert page.data["sentences"][0]["sourceText"] == HOSTILE[0]
    assert [tag for tag, _ in page.elements].count("script") == 3


def test_weights_are_within_half_a_step_and_entropies_are_exact(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(list("abcde"), list("xyz"))
    packed_maps = Reader(rendered(tmp_path, trace)).data["sentences"][0]["maps"]
    assert packed_maps.keys() == trace.maps.maps.keys()
    for name, packed in packed_maps.items():
        weights = trace.maps.maps[name]
        steps = np.frombuffer(b64decode(packed["steps"]), dtype=np.uint8).reshape(weights.shape)
        assert np.abs(steps / 255 - weights).max() <= 1 / 510 + 1e-6
        np.testing.assert_allclose(packed["entropy"], entropy(weights), atol=1e-4)


def test_vectors_are_half_precision(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(list("abcde"), list("xyz"))
    page = Reader(rendered(tmp_path, trace))
    planes = np.frombuffer(zlib.decompress(b64decode(page.text["vectors-0"])), dtype=np.uint8).reshape(2, -1)
    numbers = planes.T.copy().view("<f2")[:, 0]
    wanted = np.concatenate([array.ravel() for each in trace.vectors.values() for array in each])
    np.testing.assert_allclose(numbers, wanted, rtol=2**-11)
    layout = page.data["sentences"][0]["vectors"]
    assert list(layout) == list(trace.maps.maps)
    assert layout["decoder.1.cross"] == {"heads": 4, "groups": 2, "dim": 8}


def test_chances_follow_at_every_temperature(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(list("ab"), list("xyz"))
    data = Reader(rendered(tmp_path, trace)).data
    packed = data["sentences"][0]["likelihood"]
    assert data["temperatures"] == list(TEMPERATURES)
    for number, temperature in enumerate(TEMPERATURES):
        shares = np.exp(np.array(packed["logits"]) / temperature - np.array(packed["logSums"])[:, number])
        np.testing.assert_allclose(shares, trace.likelihood.probabilities(temperature), rtol=1e-3)


def test_words_take_every_piece_once() -> None:
    assert spans(["<s>", "▁Mä", "nner", "▁geh", "en", ".", "</s>"]) == [
        range(1), range(1, 3), range(3, 6), range(6, 7),
    ]  # fmt: skip
    assert spans(["a▁b", "c▁d", "▁e"]) == [range(2), range(2, 3)]  # pieces that reach over several words
    assert spans([]) == []


def test_entropies_of_words_are_those_of_the_merged_map(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(["▁a", "b", "▁c", "</s>"], ["▁x", "▁y", "z", "</s>"])
    packed = Reader(rendered(tmp_path, trace)).data["sentences"][0]
    assert packed["words"] == {"source": [[0, 2], [2, 3], [3, 4]], "prefix": [[0, 1], [1, 2], [2, 4]],
                               "target": [[0, 1], [1, 3], [3, 4]]}  # fmt: skip
    weights = trace.maps.maps["decoder.0.cross"]
    rows = np.stack([weights[:, 0], weights[:, 1:3].mean(axis=1), weights[:, 3]], axis=1)
    merged = np.stack([rows[..., :2].sum(axis=-1), rows[..., 2], rows[..., 3]], axis=-1)
    np.testing.assert_allclose(packed["maps"]["decoder.0.cross"]["wordEntropy"], entropy(merged), atol=1e-4)


def test_what_is_not_finite_is_none(tmp_path: Path, make_trace: MakeTrace) -> None:
    trace = make_trace(list("ab"), list("xyz"))
    maps = {name: np.full_like(weights, np.nan) for name, weights in trace.maps.maps.items()}
    vectors = {name: type(each)(*(array * np.inf for array in each)) for name, each in trace.vectors.items()}
    trace.likelihood.logits[1] = -np.inf
    trace.lens.probabilities[0, 0] = np.nan
    broken = SentenceMaps(trace.maps.source, trace.maps.prefix, trace.maps.target, maps)
    packed = Reader(rendered(tmp_path, trace._replace(maps=broken, vectors=vectors))).data["sentences"][0]
    assert packed["maps"]["decoder.0.self"]["entropy"] == [None] * 4
    assert packed["likelihood"]["logits"][1] is None
    assert packed["lens"]["probabilities"][0][0] is None


def test_over_the_budget_vectors_go_first_then_sentences(tmp_path: Path, make_trace: MakeTrace) -> None:
    tokens = [f"▁word{number}" for number in range(20)]
    sentences = [make_trace(tokens, tokens, dim=32, seed=seed) for seed in range(3)]
    path = tmp_path / "page.html"

    def left_out(max_bytes: int) -> Omitted:
        found = render_page(path, sentences, "A title", max_bytes=max_bytes)
        page = Reader(path.read_text())
        assert len(page.data["sentences"]) == 3 - found.sentences
        held = [number for number in range(3) if f"vectors-{number}" in page.text]
        assert held == list(range(3 - found.sentences - found.vectors))
        said = page.text.get("left-out", "")
        assert str(found) in said
        assert bool(said) == (found != Omitted())
        return found

    assert left_out(2**30) == Omitted()
    assert str(Omitted()) == ""
    whole = path.stat().st_size
    assert left_out(whole - 1) == Omitted(vectors=1)
    first = path.stat().st_size
    steps = []
    for size in range(whole, 1, -20_000):
        steps.append(left_out(size))
        assert path.stat().st_size <= size or steps[-1] == Omitted(vectors=1, sentences=2)  # the first sentence stays
    assert first < whole
    assert steps[-1] == Omitted(vectors=1, sentences=2)
    assert Omitted(vectors=3) in steps
    assert Omitted(vectors=2, sentences=1) in steps
    assert all(step.vectors + step.sentences == 3 for step in steps if step.sentences)


def test_nothing_points_outside_the_file(tmp_path: Path, make_trace: MakeTrace) -> None:
    html = rendered(tmp_path, make_trace(list("ab"), list("xy")))
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    elements = Reader(html).elements
    assert [value for _, attributes in elements for name, value in attributes.items() if name in ("src", "href")] == [
        "data:,"
    ]
    assert any((attributes.get("content") or "").startswith("default-src 'none';") for _, attributes in elements)


def test_title_subtitle_and_facts_are_text(tmp_path: Path, make_trace: MakeTrace) -> None:
    words = {"title": "<b>T</b>", "subtitle": "</p>S", "facts": {"<i>name": "<script>value"}}
    html = rendered(tmp_path, make_trace(list("ab"), list("xy")), **words)
    for text in ("<b>T", "</p>S", "<i>name", "<script>value"):
        assert text not in html
        assert text.replace("<", "&lt;").replace(">", "&gt;") in html


def test_nothing_to_show_is_an_error(tmp_path: Path, make_trace: MakeTrace) -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        rendered(tmp_path)
    assert list(tmp_path.iterdir()) == []
