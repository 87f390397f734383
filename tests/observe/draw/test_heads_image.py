"""The pictures of heads show the numbers that were measured."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from regard.observe.draw.heads_image import draw_curves, draw_heads, head_curves
from regard.observe.draw.image import png_bytes


def heads(maps: int = 3, count: int = 2) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        f"decoder.{layer}.{'cross' if layer % 2 else 'self'}": {
            "entropy": rng.uniform(0, 3, count),
            "same": rng.uniform(0, 1, count),
            "importance": rng.normal(0, 0.1, count),
        }
        | ({"agreement": rng.uniform(0, 1, count)} if layer % 2 else {})
        for layer in range(maps)
    }


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def test_there_is_a_panel_for_each_measure_with_every_head() -> None:
    some = heads()
    figure = draw_heads(some, "3 pairs of $a_b$")
    titles = [text.get_text() for text in figure.texts]
    assert [name for name in titles if name in ("entropy", "same", "agreement", "importance", "next")] == [
        "entropy", "same", "agreement", "importance",
    ]  # fmt: skip
    for axes, measure in zip(panels(figure), ("entropy", "same", "agreement", "importance"), strict=True):
        shown = np.ma.filled(axes.images[0].get_array(), np.nan)
        for row, own in enumerate(some.values()):
            np.testing.assert_array_equal(shown[row], own.get(measure, np.full(2, np.nan)))
        digits = 3 if measure == "importance" else 2
        texts = [text.get_text() for text in axes.texts]
        assert {f"{value:.{digits}f}" for own in some.values() for value in own.get(measure, [])} <= set(texts)
        assert set(some) <= set(texts)
        top = axes.images[0].get_clim()
        assert top == (0, 1) if measure in ("same", "agreement") else top[1] == np.nanmax(shown)
    assert Image.open(BytesIO(png_bytes(figure))).size[0] > 300


def test_models_of_many_heads_and_layers_fit_their_sheet() -> None:
    figure = draw_heads(heads(maps=24, count=16), "a sample")
    png_bytes(figure)
    width, height = figure.canvas.get_width_height()
    for axes in panels(figure):
        for text in axes.texts:
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= width
            assert box.y0 >= 0
            assert box.y1 <= height


ROWS = [
    {"step": "10", "train/loss": "3.0", "attention/decoder.0.self/entropy/0": "2.0"},
    {"step": "20", "attention/decoder.0.self/entropy/0": "1.0", "attention/decoder.0.self/entropy/1": "0.5"},
    {"step": "20", "attention/decoder.0.cross/same/0": "0.25", "attention/images": "7"},
]


def test_curves_are_those_of_the_metrics() -> None:
    curves = head_curves(ROWS)
    assert curves == {
        "entropy": {"decoder.0.self": {0: [(10, 2.0), (20, 1.0)], 1: [(20, 0.5)]}},
        "same": {"decoder.0.cross": {0: [(20, 0.25)]}},
    }
    figure = draw_curves(curves, "")
    drawn = {axes.get_title(loc="left"): axes.lines for axes in figure.axes}
    assert set(drawn) == {"entropy   decoder.0.self", "same   decoder.0.cross"}
    assert drawn["entropy   decoder.0.self"][0].get_xydata().tolist() == [[10, 2], [20, 1]]
    assert len(drawn["entropy   decoder.0.self"]) == 2
    assert "head 1" in [text.get_text() for text in figure.texts]
    with pytest.raises(ValueError, match="no curves"):
        draw_curves(head_curves([{"step": "1", "train/loss": "2"}]), "")
