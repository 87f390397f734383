from __future__ import annotations

import warnings
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from regard.observe.draw.image import axis_label, draw_layer, draw_map, overview_map, png_bytes
from regard.observe.record.maps import SentenceMaps, entropy


def cross(
    source: list[str], target: list[str], heads: int = 3, names: tuple[str, ...] = ("decoder.0.cross",)
) -> SentenceMaps:
    rng = np.random.default_rng(0)
    maps = {}
    for name in names:
        width = len(source) if name.endswith("cross") else len(target)
        maps[name] = rng.dirichlet(np.full(width, 0.3), size=(heads, len(target))).astype(np.float32)
    return SentenceMaps(source, ["<s>", *target[:-1]], target, maps)


def maps_in(figure: Figure) -> list[AxesImage]:
    [axes] = figure.axes
    return [image for image in axes.images if image.get_array().shape != (256, 1)]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_a_layer_shows_every_head_with_its_data_entropy_and_tokens() -> None:
    sentence = cross(["▁two", "▁men", "</s>"], ["▁zwei", "▁Männer", "!", "</s>"], heads=5)
    figure = draw_layer(sentence, "decoder.0.cross")
    weights = sentence.maps["decoder.0.cross"]
    assert len(maps_in(figure)) == 5
    places = set()
    for head, image in enumerate(maps_in(figure)):
        np.testing.assert_array_equal(image.get_array(), weights[head])
        assert image.get_clim() == (0, 1)
        assert f"head {head}   {entropy(weights)[head]:.2f} nats" in texts(figure)
        places.add(tuple(image.get_extent()))
    assert len(places) == 5
    assert {"␣two", "␣men", "</s>", "␣zwei", "␣Männer", "!"} <= set(texts(figure))
    assert any("decoder.0.cross" in text for text in texts(figure))


def test_tokens_stand_beside_their_rows_and_above_their_columns() -> None:
    figure = draw_layer(cross(["▁a", "▁b", "</s>"], ["▁x", "▁y", "</s>"], heads=2), "decoder.0.cross")
    left, right, bottom, top = maps_in(figure)[1].get_extent()
    where = {text.get_text(): text.get_position() for text in figure.texts}
    for row, token in enumerate(["␣x", "␣y"]):
        assert where[token][1] == pytest.approx(top + (row + 0.5) * (bottom - top) / 3)
    for column, token in enumerate(["␣a", "␣b"]):  # the latest of a name is that of the last column of maps
        assert where[token][0] == pytest.approx(left + (column + 0.5) * (right - left) / 3)


def test_the_overview_is_the_mean_over_heads_of_the_last_cross_attention() -> None:
    names = ("decoder.0.cross", "decoder.2.self", "decoder.10.cross", "decoder.9.cross")
    sentence = cross(["a", "b", "</s>"], ["x", "</s>"], names=names)
    [image] = maps_in(draw_map(sentence, overview_map(sentence)))
    np.testing.assert_allclose(image.get_array(), sentence.maps["decoder.10.cross"].mean(axis=0))
    language = cross([], ["x", "y", "</s>"], names=("decoder.0.self", "decoder.1.self"))
    [image] = maps_in(draw_map(language, overview_map(language)))
    np.testing.assert_allclose(image.get_array(), language.maps["decoder.1.self"].mean(axis=0))
    assert overview_map(SentenceMaps([], ["<s>"], ["</s>"], {})) is None


def test_labels_of_a_long_sentence_do_not_overlap() -> None:
    tokens = [f"▁token{number}" for number in range(150)] + ["</s>"]
    figure = draw_layer(cross(tokens, tokens, heads=1), "decoder.0.cross")
    png_bytes(figure)
    shown = [text for text in figure.texts if text.get_text().startswith("␣")]
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
        data = png_bytes(draw_layer(cross(tokens, tokens), "decoder.0.cross"))
    assert Image.open(BytesIO(data)).size[0] > 400


def test_labels_are_one_short_line() -> None:
    assert axis_label("a\nb") == "a�b"
    assert axis_label("▁" + "x" * 40) == "␣" + "x" * 14 + "…"


def test_the_same_maps_give_the_same_bytes() -> None:
    sentence = cross(["a", "b", "</s>"], ["x", "y", "</s>"])
    assert png_bytes(draw_map(sentence, "decoder.0.cross")) == png_bytes(draw_map(sentence, "decoder.0.cross"))
    assert png_bytes(draw_layer(sentence, "decoder.0.cross")) == png_bytes(draw_layer(sentence, "decoder.0.cross"))
