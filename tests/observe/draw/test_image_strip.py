"""The strip of a captioned image: the picture, and a panel for each word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regard.observe.draw.image_strip import draw_strip
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.trace import Trace


@pytest.mark.parametrize("words", [0, 1, 3, 12])
def test_the_description_is_not_cut_off(make_trace: Callable[..., Trace], words: int) -> None:
    text = make_trace(["1,1", "1,2"], [*["\N{LOWER ONE EIGHTH BLOCK}red"] * words, "</s>"])
    maps = SentenceMaps(text.maps.source, text.maps.prefix, text.maps.target, text.maps.maps, (1, 2))
    trace = text._replace(maps=maps, image=np.zeros((8, 16, 3), np.uint8), target=" ".join(["red"] * words))
    figure = draw_strip(trace, "decoder.1.cross")
    assert len(figure.axes) == 1 + words
    figure.canvas.draw()
    for written in figure.texts:
        assert written.get_window_extent().x1 <= figure.bbox.x1, written.get_text()
