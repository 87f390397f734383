from __future__ import annotations

import warnings
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from regard.observe.image import draw_layer, draw_overview, label, png
from regard.observe.maps import SentenceMaps, entropy


def cross(
    source: list[str], target: list[str], heads: int = 3, names: tuple[str, ...] = ("decoder.0.cross",)
) -> SentenceMaps:
    rng = np.random.default_rng(0)
    maps = {}
    for name in names:
        width = len(source) if name.endswith("cross") else len(target)
        maps[name] = rng.dirichlet(np.full(width, 0.3), size=(heads, len(target))).astype(np.float32)
    return SentenceMaps(source, ["<s>", *target[:-1]], target, maps)


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images and axes.images[0].get_array().shape != (256, 1)]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_layer_shows_every_head_with_its_data_entropy_and_tokens() -> None:
    sentence = cross(["▁two", "▁men", "</s>"], ["▁zwei", "▁Männer", "!", "</s>"], heads=5)
    figure = draw_layer(sentence, "decoder.0.cross")
    weights = sentence.maps["decoder.0.cross"]
    assert len(panels(figure)) == 5
    for head, axes in enumerate(panels(figure)):
        [image] = axes.images
        np.testing.assert_array_equal(image.get_array(), weights[head])
        assert image.get_clim() == (0, 1)
        assert f"head {head}   {entropy(weights)[head]:.2f} nats" in texts(axes)
        assert {"␣two", "␣men", "</s>", "␣zwei", "␣Männer", "!"} <= set(texts(axes))
    assert any("decoder.0.cross" in text.get_text() for text in figure.texts)


def test_the_overview_is_the_mean_over_heads_of_the_last_cross_attention() -> None:
    names = ("decoder.0.cross", "decoder.2.self", "decoder.10.cross", "decoder.9.cross")
    sentence = cross(["a", "b", "</s>"], ["x", "</s>"], names=names)
    [axes] = panels(draw_overview(sentence))
    np.testing.assert_allclose(axes.images[0].get_array(), sentence.maps["decoder.10.cross"].mean(axis=0))
    language = cross([], ["x", "y", "</s>"], names=("decoder.0.self", "decoder.1.self"))
    [axes] = panels(draw_overview(language))
    np.testing.assert_allclose(axes.images[0].get_array(), language.maps["decoder.1.self"].mean(axis=0))
    with pytest.raises(ValueError, match="no attention maps"):
        draw_overview(SentenceMaps([], ["<s>"], ["</s>"], {}))


def test_labels_of_a_long_sentence_do_not_overlap() -> None:
    tokens = [f"▁token{number}" for number in range(150)] + ["</s>"]
    figure = draw_layer(cross(tokens, tokens, heads=1), "decoder.0.cross")
    png(figure)
    [axes] = panels(figure)
    shown = [text for text in axes.texts if text.get_text().startswith("␣")]
    rows = [text.get_window_extent() for text in shown if text.get_rotation() == 0]
    columns = [text.get_window_extent() for text in shown if text.get_rotation() == 90]
    assert len(rows) > 20
    assert len(columns) > 20
    assert all(above.y0 >= below.y1 for above, below in pairwise(rows))
    assert all(before.x1 <= after.x0 for before, after in pairwise(columns))
    width, height = figure.canvas.get_width_height()
    assert all(min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height for box in rows + columns)


def test_any_token_can_be_a_label_with_warnings_as_errors() -> None:
    tokens = [
        "$x_{$",
        "\\frac$",
        "</script>",
        "日本語",
        "🙂",
        "العربية",
        "a\nb",
        "\x00",
        "\ud800",
        "",
        "</s>",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = png(draw_layer(cross(tokens, tokens), "decoder.0.cross"))
    assert Image.open(BytesIO(data)).size[0] > 400


def test_labels_are_one_short_line() -> None:
    assert label("a\nb") == "a�b"
    assert label("▁" + "x" * 40) == "␣" + "x" * 14 + "…"


def test_the_same_maps_give_the_same_bytes() -> None:
    sentence = cross(["a", "b", "</s>"], ["x", "y", "</s>"])
    assert png(draw_overview(sentence)) == png(draw_overview(sentence))
    assert png(draw_layer(sentence, "decoder.0.cross")) == png(draw_layer(sentence, "decoder.0.cross"))
