"""Images of head measures: a table of maps by heads for each measure, and curves over training."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from regard.observe.draw.image import COLOURS, EDGE, FAINT, HEADER, INK
from regard.observe.measure.head_measures import ALL_MEASURES, MeasuresByMap

CELL_WIDTH, CELL_HEIGHT, NAMES, TITLE = 0.5, 0.24, 1.15, 0.56  # inches
CURVE_WIDTH, CURVE_HEIGHT, AROUND = 2.3, 1.3, 0.5
SHARES = frozenset(ALL_MEASURES) - {"entropy", "distance", "importance"}
"""Measures with values from 0 to 1."""

HEAD_COLOURS = ("#1f63a6", "#c2571a", "#2f8f5b", "#8a4fa3", "#b0902a", "#c23b5e", "#3fa3b5", "#6b6f76")
METRIC = re.compile(r"attention/([^/]+)/(\w+)/(\d+)")

HeadCurves = dict[str, dict[str, dict[int, list[tuple[int, float]]]]]
"""By measure, map and head: pairs of step and value."""


def draw_heads(heads: MeasuresByMap, about: str) -> Figure:
    """Draw one panel per measure: rows are maps, columns are heads, cells show the value.

    The colour scale is 0 to 1 for SHARES, and 0 to the maximum for other measures; negative values look like 0.
    """
    measures = [measure for measure in ALL_MEASURES if any(measure in own for own in heads.values())]
    names = list(heads)
    most = max(len(values) for own in heads.values() for values in own.values())
    wide, high = max(most * CELL_WIDTH, 1.6), len(names) * CELL_HEIGHT
    columns = max(1, min(len(measures), round(13 / (NAMES + wide + EDGE))))
    rows = math.ceil(len(measures) / columns)
    width = EDGE + columns * (NAMES + wide + EDGE)
    height = HEADER + rows * (TITLE + high + 2.5 * EDGE)
    figure = _sheet(width, height, "Head measures", about)
    for number, measure in enumerate(measures):
        row, column = divmod(number, columns)
        x = EDGE + column * (NAMES + wide + EDGE) + NAMES
        y = HEADER + row * (TITLE + high + 2.5 * EDGE) + TITLE
        axes = figure.add_axes((x / width, 1 - (y + high) / height, most * CELL_WIDTH / width, high / height))
        _draw_panel(axes, heads, measure, most)
        words = textwrap.wrap(ALL_MEASURES[measure], int((wide + NAMES * 0.9) / 0.066), max_lines=2, placeholder=" …")
        at = (x - NAMES) / width
        figure.text(at, 1 - (y - 0.38) / height, measure, fontsize=10, color=INK, weight="bold", va="bottom")
        figure.text(at, 1 - (y - 0.34) / height, "\n".join(words), fontsize=7, color=FAINT, va="top")
    return figure


def _draw_panel(axes: Axes, heads: MeasuresByMap, measure: str, most: int) -> None:
    values = np.full((len(heads), most), np.nan)
    for row, own in enumerate(heads.values()):
        if measure in own:
            values[row, : len(own[measure])] = own[measure]
    top = 1.0 if measure in SHARES else max(float(np.nanmax(values)), 1e-9)
    axes.imshow(values, cmap=COLOURS, vmin=0, vmax=top, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            light = value > 0.4 * top
            digits = 3 if measure == "importance" else 2
            axes.text(
                column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=7,
                color="white" if light else INK,
            )  # fmt: skip
    for row, name in enumerate(heads):
        axes.text(
            -0.6, row, name, ha="right", va="center", fontsize=7.5, color=INK if measure in heads[name] else FAINT
        )
    axes.vlines(np.arange(1, most) - 0.5, -0.5, len(heads) - 0.5, color="white", linewidth=0.8)
    axes.hlines(np.arange(1, len(heads)) - 0.5, -0.5, most - 0.5, color="white", linewidth=0.8)
    for head in range(most):
        axes.text(head, len(heads) - 0.4, str(head), ha="center", va="top", fontsize=7, color=FAINT)


def head_curves(rows: Iterable[Mapping[str, str]]) -> HeadCurves:
    """Read the curves of heads from the rows of metrics.csv: columns ``attention/<map>/<measure>/<head>``."""
    curves: HeadCurves = {}
    for row in rows:
        for name, value in row.items():
            if found := METRIC.fullmatch(name):
                heads = curves.setdefault(found[2], {}).setdefault(found[1], {})
                heads.setdefault(int(found[3]), []).append((int(row["step"]), float(value)))
    return curves


def draw_curves(curves: HeadCurves, about: str) -> Figure:
    """Draw the measures over training: rows are measures, columns are maps, lines are heads.

    Raises ValueError if ``curves`` is empty.
    """
    if not curves:
        raise ValueError("no curves to draw")
    measures = [measure for measure in ALL_MEASURES if measure in curves] + sorted(curves.keys() - ALL_MEASURES.keys())
    names = list(dict.fromkeys(name for maps in curves.values() for name in maps))
    heads = sorted({head for maps in curves.values() for lines in maps.values() for head in lines})
    width = EDGE + AROUND + len(names) * (CURVE_WIDTH + AROUND)
    height = HEADER + 0.3 + len(measures) * (CURVE_HEIGHT + AROUND) + EDGE
    figure = _sheet(max(width, 6.0), height, "Head measures during training", about)
    width = figure.get_figwidth()
    for place, head in enumerate(heads):
        at = (EDGE + place * 0.62) / width
        colour = HEAD_COLOURS[head % len(HEAD_COLOURS)]
        figure.text(at, 1 - (HEADER + 0.02) / height, f"head {head}", fontsize=8, color=colour, weight="bold", va="top")
    for row, measure in enumerate(measures):
        for column, name in enumerate(names):
            if name not in curves[measure]:
                continue
            x = EDGE + AROUND + column * (CURVE_WIDTH + AROUND)
            y = HEADER + 0.5 + row * (CURVE_HEIGHT + AROUND)
            axes = figure.add_axes(
                (x / width, 1 - (y + CURVE_HEIGHT) / height, CURVE_WIDTH / width, CURVE_HEIGHT / height)
            )
            for head, line in curves[measure][name].items():
                steps, values = zip(*line, strict=True)
                axes.plot(steps, values, color=HEAD_COLOURS[head % len(HEAD_COLOURS)], linewidth=1.2,
                          marker=".", markersize=3)  # fmt: skip
            axes.set_title(f"{measure}   {name}", fontsize=8, color=INK, loc="left", pad=4)
            axes.tick_params(labelsize=7, labelcolor=FAINT, color=FAINT, length=2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color("#c8d0d8")
            axes.set_ylim(0, 1.02 if measure in SHARES else None)
    return figure


def _sheet(width: float, height: float, title: str, words: str) -> Figure:
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(EDGE / width, 1 - EDGE / height, title, fontsize=13, weight="bold", color=INK, va="top")
    figure.text(EDGE / width, 1 - (EDGE + 0.27) / height, words, fontsize=9, color=FAINT, va="top", parse_math=False)
    return figure
