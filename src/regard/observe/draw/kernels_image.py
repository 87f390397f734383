"""An image of the kernels of a model: per layer and direction, a map of channels by distance."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from regard.observe.draw.image import COLOURS, EDGE, FAINT, HEADER, INK
from regard.observe.record.kernels import MEMORY_SHARE, Kernels
from regard.observe.record.mixers import OtherMixer

WIDTH, HEIGHT, TITLE, AXIS, LEFT = 3.4, 1.6, 0.45, 0.3, 0.2  # inches
COLUMNS = 4
MARK = "#c2410c"
DIRECTIONS = ("earlier", "later")


def draw_kernels(mixers: Mapping[str, OtherMixer]) -> Figure | None:
    """Draw the absolute values of all kernels, relative to the largest one of each channel; None without kernels.

    Channels are in the order of their memory, which a line marks. The axis of distances is logarithmic for ranges.
    """
    panels = [
        (name, mixer, mixer.kernels, direction)
        for name, mixer in mixers.items()
        if mixer.kernels is not None
        for direction in range(len(mixer.kernels.low))
    ]
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    wide, high = LEFT + WIDTH + EDGE, TITLE + HEIGHT + AXIS + EDGE
    width, height = max(EDGE + columns * wide, 7.0), HEADER + rows * high + EDGE
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(EDGE / width, 1 - EDGE / height, "Kernels", fontsize=13, weight="bold", color=INK, va="top")
    about = (
        "rows: channels, longest memory first; columns: distance in positions; dark: large absolute values\n"
        f"line: memory length, within which {MEMORY_SHARE:.0%} of the absolute sum lies"
    )
    figure.text(EDGE / width, 1 - (EDGE + 0.27) / height, about, fontsize=9, color=FAINT, va="top")
    for number, (name, mixer, kernels, direction) in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = EDGE + LEFT + column * wide, HEADER + row * high + TITLE
        axes = figure.add_axes((x / width, 1 - (y + HEIGHT) / height, WIDTH / width, HEIGHT / height))
        _draw_panel(axes, kernels, direction)
        stack, layer, _ = name.split(".")
        median = f"{DIRECTIONS[direction]} positions, median memory {np.median(kernels.memory[direction]):.0f}"
        axes.set_title(
            f"{stack} layer {layer}: {mixer.description}\n{median}", fontsize=8, color=INK, loc="left", pad=4
        )
    return figure


def _draw_panel(axes: Axes, kernels: Kernels, direction: int) -> None:
    """Draw one direction of the kernels."""
    order = kernels.longest_first
    largest = np.maximum(np.abs(kernels.low), np.abs(kernels.high))
    scales = largest.max(axis=(0, 2))[:, None]
    shares = np.divide(largest[direction], scales, out=np.zeros_like(largest[direction]), where=scales > 0)
    columns, rows = kernels.starts + direction - 0.5, np.arange(len(order) + 1)
    axes.pcolormesh(columns, rows, shares[order], cmap=COLOURS, vmin=0, vmax=1)
    ends = kernels.memory[direction, order] + 0.5
    axes.stairs(ends, rows, orientation="horizontal", baseline=None, color=MARK, linewidth=1.2)
    if not kernels.is_exact:
        axes.set_xscale("symlog", linthresh=1)  # the first distance is 0
        axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlim(columns[0], columns[-1])
    axes.set_ylim(len(order), 0)
    axes.set_yticks([])
    axes.tick_params(labelsize=7, labelcolor=FAINT, color=FAINT, length=2)
    axes.spines[:].set_visible(False)
