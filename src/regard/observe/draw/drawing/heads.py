"""A picture of the heads of a denoiser: the words that they read, and whether they find the objects of words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from regard.observe.draw.heads_image import HEAD_COLOURS
from regard.observe.draw.image import COLOURS, FAINT, INK
from regard.observe.measure.drawing_heads import DESCRIPTIONS, MEAN, DrawingHeads, Place
from regard.observe.measure.word_kinds import END
from regard.observe.measure.word_objects import OBJECT_MEASURES

EDGE, NAMES, BAR, CELL, ROW, GROUP = 0.2, 1.25, 3.6, 0.66, 0.22, 0.12  # inches
HEADER, COLUMN_NAMES, LINE = 0.62, 0.7, 0.19
CURVE_WIDTH, CURVE_HEIGHT, AROUND = 2.1, 1.2, 0.5
END_COLOUR = "#c8d0d8"
READS = "reads_"
TIMES_NOTE = "Means over heads, by the time of the noise: 0 is noise, 1 is the image. Dotted: uniform weights."


def draw_drawing_heads(found: DrawingHeads, about: str) -> Figure:
    """Draw each head of cross-attention as a row: the kinds of words that it reads, and the measures of objects.

    Below, the measures of objects at each time of the noise, for each layer.
    """
    kinds = [name.removeprefix(READS) for name in found.values if name.startswith(READS)]
    measures = _measures(found)
    rows = found.in_order()
    groups = len({place.map for _, place in rows})
    below = HEADER + COLUMN_NAMES + (len(rows) + 1) * ROW + groups * GROUP + 0.3
    across = max(1, min(len(measures), 4))
    curves = math.ceil(len(measures) / across)
    width = max(EDGE + NAMES + BAR + 0.3 + len(measures) * CELL + EDGE, across * (CURVE_WIDTH + AROUND) + AROUND)
    notes = [f"{name}: {DESCRIPTIONS[name]}" for name in (*OBJECT_MEASURES, "reads") if measures or name == "reads"]
    height = below + curves * (CURVE_HEIGHT + AROUND) + 0.45 * bool(measures) + len(notes) * LINE + EDGE
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    _write(axes, EDGE, 0.16, "What each head of cross-attention reads", fontsize=13, weight="bold", va="top")
    _write(axes, EDGE, 0.42, about, fontsize=9, color=FAINT, va="top")
    _name_columns(axes, kinds, measures)
    y, group = HEADER + COLUMN_NAMES, ""
    for number, place in rows:
        y += GROUP if group not in ("", place.map) else 0
        group = place.map
        _write(axes, EDGE + NAMES - 0.1, y + ROW / 2, _label(place), fontsize=8, ha="right", va="center",
               weight="bold" if place.head == MEAN else "normal")  # fmt: skip
        values = {name: float(each[0, number]) for name, each in found.values.items()}
        _draw_row(axes, y, values, kinds, measures)
        y += ROW
    y += GROUP
    _write(axes, EDGE + NAMES - 0.1, y + ROW / 2, "uniform weights", fontsize=8, color=FAINT, ha="right", va="center")
    _draw_row(axes, y, found.uniform, kinds, measures)
    if measures:
        _write(axes, EDGE, below + 0.12, TIMES_NOTE, fontsize=9, va="top")
    for number, name in enumerate(measures):
        row, column = divmod(number, across)
        left, top = AROUND + column * (CURVE_WIDTH + AROUND), below + 0.65 + row * (CURVE_HEIGHT + AROUND)
        place_in_figure = (left / width, 1 - (top + CURVE_HEIGHT) / height, CURVE_WIDTH / width, CURVE_HEIGHT / height)
        _draw_curve(figure.add_axes(place_in_figure), found, name)
    for number, note in enumerate(notes):
        _write(axes, EDGE, height - EDGE - (len(notes) - number) * LINE, note, fontsize=8, color=FAINT, va="top")
    return figure


def _measures(found: DrawingHeads) -> list[str]:
    """Return the names of the measures of objects."""
    return [name for name in found.values if name.partition("_")[0] in OBJECT_MEASURES]


def _name_columns(axes: Axes, kinds: list[str], measures: list[str]) -> None:
    """Write the legend of the kinds of words, and the names of the measures."""
    x, y = EDGE + NAMES, HEADER + COLUMN_NAMES - 0.14
    _write(axes, x, y - 0.3, "reads", fontsize=9, weight="bold")
    for kind in kinds:
        colour = FAINT if kind == END else _colour(kinds, kind)
        _write(axes, x, y, kind, fontsize=8, weight="bold", color=colour)
        x += 0.085 * len(kind) + 0.14
    for number, name in enumerate(measures):
        measure, _, kind = name.partition("_")
        middle = EDGE + NAMES + BAR + 0.3 + (number + 0.5) * CELL
        _write(axes, middle, y - 0.3, measure, fontsize=9, weight="bold", ha="center")
        _write(axes, middle, y, kind, fontsize=8, color=FAINT, ha="center")


def _draw_row(axes: Axes, y: float, values: dict[str, float], kinds: list[str], measures: list[str]) -> None:
    """Draw the kinds of words as parts of a bar, and the measures as coloured cells."""
    left = EDGE + NAMES
    for kind in kinds:
        wide = BAR * values[READS + kind]
        axes.barh(y + ROW / 2, wide, ROW * 0.82, left, color=_colour(kinds, kind), linewidth=0)
        if wide > 0.32:
            text = f"{values[READS + kind]:.2f}"
            _write(axes, left + wide / 2, y + ROW / 2, text, fontsize=6.5, color="white" if kind != END else INK,
                   ha="center", va="center")  # fmt: skip
        left += wide
    for number, name in enumerate(measures):
        x = EDGE + NAMES + BAR + 0.3 + number * CELL
        value = values[name]
        axes.barh(y + ROW / 2, CELL - 0.03, ROW - 0.02, x, color=COLOURS(value), linewidth=0)
        _write(axes, x + CELL / 2, y + ROW / 2, f"{value:.2f}", fontsize=7.5, color="white" if value > 0.4 else INK,
               ha="center", va="center")  # fmt: skip


def _draw_curve(axes: Axes, found: DrawingHeads, name: str) -> None:
    """Draw a measure at each time: the mean over the heads of each layer, and over all of them."""
    means = [(number, place) for number, place in found.in_order() if place.head == MEAN]
    for layer, (number, place) in enumerate(means):
        values = np.asarray(found.values[name])[1:, number]
        is_all = layer == len(means) - 1
        colour = INK if is_all else HEAD_COLOURS[layer % len(HEAD_COLOURS)]
        axes.plot(found.times, values, color=colour, linewidth=2 if is_all else 1.1, label=_label(place))
    axes.axhline(found.uniform[name], color=FAINT, linewidth=0.8, linestyle=":")
    axes.set_title(f"{name.replace('_', ', ')}", fontsize=8, color=INK, loc="left", pad=4)
    axes.tick_params(labelsize=7, labelcolor=FAINT, color=FAINT, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c8d0d8")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, 1)
    if name == _measures(found)[-1] and len(means) <= len(HEAD_COLOURS):  # its curves are at the top
        axes.legend(fontsize=6, frameon=False, loc="lower right", labelspacing=0.2, handlelength=1.2)


def _label(place: Place) -> str:
    layer = place.map.split(".")[1]
    if layer == MEAN:
        return "mean of all"
    return f"layer {layer}, mean" if place.head == MEAN else f"layer {layer}, head {place.head}"


def _colour(kinds: list[str], kind: str) -> str:
    return END_COLOUR if kind == END else HEAD_COLOURS[kinds.index(kind) % len(HEAD_COLOURS)]


def _write(axes: Axes, x: float, y: float, text: str, color: str = INK, **style: Any) -> None:
    axes.text(x, y, text, color=color, parse_math=False, **style)
