"""The page of a drawing without a browser: its size and what it leaves out; the picture."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regard.observe.draw.drawing.page import render_drawings
from regard.observe.draw.drawing.picture import draw_drawing
from regard.observe.draw.image import png_bytes
from regard.observe.record.drawing import DrawingTrace

MakeDrawing = Callable[..., DrawingTrace]


def read(page: Path) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def unpack(packed: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    tops = np.expand_dims(np.array(packed["tops"]), axes)
    return np.frombuffer(b64decode(packed["shares"]), np.uint8).reshape(shape) / 255 * tops


def test_weights_are_packed_with_their_mean_over_steps_and_words_are_merged(
    make_drawing: MakeDrawing, tmp_path: Path
) -> None:
    trace = make_drawing(["▁a", "▁red", "▁cir", "cle", "</s>"], steps=3)
    assert render_drawings(tmp_path / "page.html", [trace], "A page") == ""
    (packed,) = read(tmp_path / "page.html")["drawings"]
    assert packed["words"] == ["▁a", "▁red", "▁circle", "</s>"]
    patches = trace.grid[0] * trace.grid[1]
    for layer, found in enumerate(packed["cross"]):
        weights = trace.maps.cross[f"decoder.{layer}.cross"]
        merged = np.concatenate([weights[..., :2], weights[..., 2:4].sum(-1, keepdims=True), weights[..., 4:]], -1)
        expected = np.concatenate([merged.mean(axis=0, keepdims=True), merged])
        shown = unpack(found, (4, 2, patches, 4), (0, 2))
        assert np.abs(shown - expected).max() < 1 / 500
        rare = expected < 0.05
        assert np.abs(shown - expected)[rare].max() <= expected.max(axis=(0, 2)).max() / 500
    shown = unpack(packed["patches"][0], (2, patches, patches), (2,))
    assert np.abs(shown - trace.maps.patches["decoder.0.self"]).max() < 1 / 500


def test_a_page_above_its_limit_leaves_out_maps_then_steps_then_drawings(
    make_drawing: MakeDrawing, tmp_path: Path
) -> None:
    traces = [make_drawing(["▁a", "</s>"], steps=20, seed=seed) for seed in range(3)]
    page = tmp_path / "page.html"
    render_drawings(page, traces, "A page")
    whole = page.stat().st_size
    left_out = render_drawings(page, traces, "A page", max_bytes=whole - 1)
    assert left_out == "the attention between patches"
    assert left_out in page.read_text()
    assert [drawing["patches"] for drawing in read(page)["drawings"]] == [[], [], []]
    bare = page.stat().st_size
    left_out = render_drawings(page, traces, "A page", max_bytes=bare - 1)
    assert left_out.endswith("4 of 20 steps (the mean over steps is that of all)")
    (first, *_) = read(page)["drawings"]
    assert (len(first["steps"]), first["steps"][0], first["steps"][-1]) == (16, 0, 19)
    mean = trace_mean(traces[0])
    assert np.abs(unpack(first["cross"][0], (17, 2, 12, 2), (0, 2))[0] - mean).max() < 1 / 500
    assert page.stat().st_size < bare
    assert "2 of 3 drawings" in render_drawings(page, traces, "A page", max_bytes=0)
    assert len(read(page)["drawings"]) == 1


def trace_mean(trace: DrawingTrace) -> np.ndarray:
    found: np.ndarray = trace.maps.cross["decoder.0.cross"].mean(axis=0)
    return found


def test_a_page_needs_a_drawing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        render_drawings(tmp_path / "page.html", [], "A page")


def test_text_of_a_prompt_is_never_markup(make_drawing: MakeDrawing, tmp_path: Path) -> None:
    hostile = "</script><script>document.title='ran'</script>"
    trace = make_drawing([f"▁{hostile}", "</s>"])
    render_drawings(tmp_path / "page.html", [trace], hostile, hostile, notes=[hostile])
    assert hostile not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("steps", [1, 30])
def test_the_picture_has_the_stages_and_the_words(make_drawing: MakeDrawing, steps: int) -> None:
    trace = make_drawing(["▁a", "▁$red$", "▁cir", "cle", *("▁more" for _ in range(8)), "</s>"], steps=steps)
    figure = draw_drawing(trace)
    texts = [text.get_text() for text in figure.texts]
    assert texts[-12:][:3] == ["a", "$red$", "circle"]
    assert texts[-1] == "</s>"
    assert len(figure.axes[0].images) == min(steps, 7) + 1 + 12
    with Image.open(BytesIO(png_bytes(figure))) as picture:
        assert picture.size[0] > 800
