"""Images of attention over a picture: one panel per word, in which the patches that the word reads are bright."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from regard.data.images.image import Pixels
from regard.observe.draw.image import FAINT, INK, axis_label, draw_map, fonts
from regard.observe.record.maps import split_name
from regard.observe.record.trace import Trace
from regard.observe.record.words import group_words, merge_words

COLUMNS = 8
PANEL, TITLE, GAP, HEADER = 1.25, 0.26, 0.1, 0.62  # inches
LEAST_WIDTH = 4.2  # inches: the description fits
DIMMED = 0.15
"""Brightness of a patch with weight 0, relative to the patch with the largest weight."""


def draw_trace(trace: Trace, name: str) -> Figure:
    """Draw the mean over heads of the map ``name``: as a strip of pictures if its keys are patches, else as a map."""
    is_strip = trace.image is not None and split_name(name)[0] == "decoder.cross"
    return draw_strip(trace, name) if is_strip else draw_map(trace.maps, name)


def draw_strip(trace: Trace, name: str) -> Figure:
    """Draw the picture once, and once for each word of the target with the weights of the word.

    The weights are the mean over heads, and over the pieces of a word. Raises ValueError without an image.
    """
    if trace.image is None or trace.maps.grid is None:
        raise ValueError("the source is not an image")
    pieces = trace.maps.target
    words = [word for word in group_words(pieces) if pieces[word.start] != "</s>"]
    weights = trace.maps.maps[name].mean(axis=0, keepdims=True)
    single = [range(place, place + 1) for place in range(len(trace.maps.source))]
    by_word = merge_words(weights, words, single)[0] if words else []
    titles = ["", *("".join(pieces[word.start : word.stop]).replace("▁", " ").strip() for word in words)]
    panels = [trace.image, *(shade_patches(trace.image, trace.maps.grid, row) for row in by_word)]
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, height = max(LEAST_WIDTH, columns * (PANEL + GAP) + GAP), HEADER + rows * (PANEL + TITLE) + GAP
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    style: dict[str, Any] = {"family": fonts(), "parse_math": False}
    figure.text(GAP / width, 1 - 0.12 / height, trace.target, va="top", fontsize=11, weight="bold", color=INK, **style)
    about = f"{name}, mean of {len(trace.maps.maps[name])} heads: bright patches have more weight"
    figure.text(GAP / width, 1 - 0.36 / height, about, va="top", fontsize=8, color=FAINT)
    for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * (PANEL + GAP), HEADER + row * (PANEL + TITLE) + TITLE
        axes = figure.add_axes((left / width, 1 - (top + PANEL) / height, PANEL / width, PANEL / height))
        axes.imshow(panel, interpolation="nearest")
        axes.set_axis_off()
        font = font_manager.FontProperties(family=fonts(), size=9)
        axes.set_title(axis_label(title), fontproperties=font, color=INK, pad=3, parse_math=False)
    return figure


def shade_patches(image: Pixels, grid: tuple[int, int], weights: Float[np.ndarray, " patches"]) -> Pixels:
    """Darken each patch of an image according to its weight, relative to the largest one."""
    height, width = image.shape[:2]
    rows, columns = np.arange(height) * grid[0] // height, np.arange(width) * grid[1] // width
    light = DIMMED + (1 - DIMMED) * weights.reshape(grid) / max(float(weights.max()), 1e-12)
    shaded: Pixels = np.rint(image * light[np.ix_(rows, columns)][..., None]).astype(np.uint8)
    return shaded
