"""A picture of a drawing: how the image came about, and which patches read each word."""

from __future__ import annotations

import math
import textwrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from regard.data.images.image import Pixels
from regard.observe.draw.image import FAINT, INK, axis_label, fonts
from regard.observe.draw.image_strip import shade_patches
from regard.observe.draw.packing import spans
from regard.observe.record.drawing import DrawingTrace

COLUMNS = 8
PANEL, TITLE, GAP, HEADER, HEADING = 1.25, 0.26, 0.1, 0.62, 0.3  # inches
LINE, LINE_CHARACTERS = 0.2, 100


class Panel(NamedTuple):
    """An image and its title."""

    title: str
    pixels: Pixels


def draw_drawing(trace: DrawingTrace) -> Figure:
    """Draw the images that are predicted in the course of the steps, and for each word the patches that read it.

    The weights are the mean over layers, heads and steps, as in Tang et al. 2023 (What the DAAM); those of the pieces
    of a word are added.
    """
    rows = {"From noise to image: the prediction at a time, and the finished image": _stages(trace)}
    if words := _words(trace):
        rows["Patches that read each word: bright patches have more weight"] = words
    title = textwrap.wrap(trace.wanted.prompt, LINE_CHARACTERS, max_lines=3, placeholder=" …")
    top = HEADER + LINE * (len(title) - 1)
    lines = {heading: math.ceil(len(panels) / COLUMNS) for heading, panels in rows.items()}
    height = top + sum(HEADING + number * (PANEL + TITLE) for number in lines.values()) + GAP
    width = COLUMNS * (PANEL + GAP) + GAP
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    # One axes for all panels, in inches: creating one per panel would take longer than drawing it.
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x, y, text, transform=axes.transData, family=fonts(), parse_math=False, **style)

    write(GAP, 0.12, "\n".join(title), va="top", fontsize=11, weight="bold", color=INK)
    write(GAP, top - 0.26, describe_drawing(trace), va="top", fontsize=8, color=FAINT)
    for heading, panels in rows.items():
        write(GAP, top + 0.14, heading, va="top", fontsize=9, color=INK)
        for number, panel in enumerate(panels):
            row, column = divmod(number, COLUMNS)
            x, y = GAP + column * (PANEL + GAP), top + HEADING + row * (PANEL + TITLE) + TITLE
            extent = (x, x + PANEL, y + PANEL, y)
            axes.imshow(panel.pixels, interpolation="nearest", aspect="auto", extent=extent)
            write(x + PANEL / 2, y - 0.05, axis_label(panel.title), ha="center", va="bottom", fontsize=9, color=INK)
        top += HEADING + lines[heading] * (PANEL + TITLE)
    return figure


def describe_drawing(trace: DrawingTrace) -> str:
    """Describe the settings of a drawing: "seed 1, 20 steps, guidance 2, euler"."""
    drawing, steps = trace.drawing, len(trace.times)
    return f"seed {trace.wanted.seed}, {steps} step{'s' * (steps > 1)}, guidance {drawing.guidance:g}, {drawing.solver}"


def _stages(trace: DrawingTrace) -> list[Panel]:
    """Return the predictions at evenly spaced steps, and the finished image."""
    count = len(trace.times)
    chosen = np.unique(np.linspace(0, count - 1, min(count, COLUMNS - 1)).round().astype(int)).tolist()
    stages = [Panel(f"time {trace.times[step]:.2f}", trace.predicted[step]) for step in chosen]
    return [*stages, Panel("image", trace.image)]


def _words(trace: DrawingTrace) -> list[Panel]:
    """Return the finished image, shaded for each word; nothing if the model has no such maps."""
    if not trace.maps.cross:
        return []
    weights = np.mean([maps.mean(axis=(0, 1)) for maps in trace.maps.cross.values()], axis=0)
    panels = []
    for word in spans(trace.pieces):
        title = "".join(trace.pieces[word.start : word.stop]).replace("▁", " ").strip()
        shaded = shade_patches(trace.image, trace.grid, weights[:, word.start : word.stop].sum(axis=-1))
        panels.append(Panel(title, shaded))
    return panels
