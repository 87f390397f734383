"""Kernels in the data of the page and in the image: every value within half a step, and channels that fit."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regard.observe.draw.kernels_image import draw_kernels
from regard.observe.draw.kernels_packing import pack_mixers
from regard.observe.draw.page import Omitted, page_title, render_page
from regard.observe.record.kernels import Kernels, summarize_kernels
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.mixers import OtherMixer
from regard.observe.record.trace import Trace

NAME = "decoder.0.self"


def random_kernels(directions: int = 1, channels: int = 6, distances: int = 50, ranges: int = 256) -> Kernels:
    rng = np.random.default_rng(0)
    decay = rng.uniform(0.2, 0.99, size=(channels, 1)) ** np.arange(distances)
    return summarize_kernels(rng.normal(size=(directions, channels, distances)) * decay, ranges)


def packed(kernels: Kernels, max_bytes: int = 1 << 20) -> tuple[dict[str, Any], int]:
    data, left_out = pack_mixers({NAME: OtherMixer("H3", kernels)}, max_bytes)
    return data[NAME]["kernels"], left_out


@pytest.mark.parametrize(("directions", "ranges", "extremes"), [(1, 50, 1), (2, 50, 1), (2, 20, 2)])
def test_values_are_within_half_a_step_of_their_channel(directions: int, ranges: int, extremes: int) -> None:
    kernels = random_kernels(directions, ranges=ranges)
    data, left_out = packed(kernels)
    assert left_out == 0
    assert sorted(data["channels"]) == list(range(6))
    steps = np.frombuffer(b64decode(data["steps"]), dtype=np.uint8).astype(int) - 127
    steps = steps.reshape(6, directions, extremes, len(kernels.starts) - 1)
    for row, channel in enumerate(data["channels"]):
        scale = data["scales"][row]
        assert scale == pytest.approx(
            max(abs(kernels.low[:, channel]).max(), abs(kernels.high[:, channel]).max()), 1e-4
        )
        for side, values in ((0, kernels.low), (-1, kernels.high)):
            error = np.abs(steps[row, :, side] / 127 * scale - values[:, channel])
            assert error.max() <= scale * (0.5 / 127 + 1e-4)
        assert [memory[row] for memory in data["memory"]] == kernels.memory[:, channel].tolist()
    lengths = np.sum(data["memory"], axis=0)
    assert (np.diff(lengths) <= 0).all(), "longest memory first"


def test_channels_over_the_budget_are_left_out_evenly(tmp_path: Path, make_trace: Callable[..., Trace]) -> None:
    kernels = random_kernels(channels=100)
    data, left_out = packed(kernels, max_bytes=10 * 50 * 4 // 3 + 1)
    assert left_out == 90
    assert (data["count"], len(data["channels"])) == (100, 10)
    order = kernels.longest_first.tolist()
    ranks = [order.index(channel) for channel in data["channels"]]
    assert (ranks[0], ranks[-1]) == (0, 99)
    assert set(np.diff(ranks)) == {11}
    assert len(packed(kernels, max_bytes=0)[0]["channels"]) == 2
    trace = make_trace(list("ab"), list("xyz"), mixers={NAME: OtherMixer("H3", kernels)})
    found = render_page(tmp_path / "page.html", [trace], "A title", max_bytes=1)
    assert found == Omitted(vectors=1, channels=98)
    assert str(found) in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("kernels", [random_kernels(2), None], ids=["kernels", "nothing"])
def test_a_page_without_maps_has_all_else(
    tmp_path: Path, make_trace: Callable[..., Trace], kernels: Kernels | None
) -> None:
    trace = make_trace([], list("xyz"), mixers={NAME: OtherMixer("<b>H3", kernels)})
    bare = SentenceMaps([], trace.maps.prefix, trace.maps.target, {})
    trace = trace._replace(maps=bare, vectors={})
    assert page_title(trace) == ("Predictions" if kernels is None else "Kernels")
    assert render_page(tmp_path / "page.html", [trace] * 2, "A title") == Omitted()
    html = (tmp_path / "page.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', html)[1])
    assert [sentence["maps"] for sentence in data["sentences"]] == [{}, {}]
    assert len(data["sentences"][0]["likelihood"]["logits"]) == 3
    assert (data["mixers"][NAME]["kernels"] is None) == (kernels is None)
    assert "decoder layer 0: &lt;b&gt;H3, no attention weights" in html


def test_the_image_has_a_map_per_layer_and_direction() -> None:
    mixers = {f"encoder.{layer}.self": OtherMixer("H3", random_kernels(2)) for layer in range(3)}
    mixers |= {"decoder.0.self": OtherMixer("H3", random_kernels(ranges=20)), "decoder.1.self": OtherMixer("X", None)}
    figure = draw_kernels(mixers)
    assert figure is not None
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes] == [
        *(f"encoder layer {layer}" for layer in (0, 0, 1, 1, 2, 2)),
        "decoder layer 0",
    ]
    assert draw_kernels({"decoder.1.self": OtherMixer("X", None)}) is None
    kernels = random_kernels()
    (axes,) = draw_kernels({NAME: OtherMixer("H3", kernels)}).axes
    shown = axes.collections[0].get_array()
    largest = np.abs(kernels.high[0])
    np.testing.assert_allclose(shown, (largest / largest.max(axis=1, keepdims=True))[kernels.longest_first])
