"""Images of attention maps: all heads of a layer, or the mean over heads.

Figures use matplotlib's object API with the Agg canvas: no pyplot, no global state, no display.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, cast
from unicodedata import category, east_asian_width

import numpy as np
from jaxtyping import Float
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from regard.observe.draw.palette import LIGHT
from regard.observe.record.maps import ATTENTION_KINDS, SentenceMaps, entropy, split_name

COLOURS = LinearSegmentedColormap.from_list("regard", list(LIGHT), N=256)
INK, FAINT = "#1d2733", "#5d6b7a"

# Searched in order for each glyph. DejaVu Sans is part of matplotlib: Latin, Greek, Cyrillic, Arabic.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "IPAexGothic",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)

LABEL_CHARACTERS = 16
# Inches: header, legend, margin of a panel, and space for the title of a panel.
HEADER, LEGEND, EDGE, TITLE = 0.72, 0.95, 0.15, 0.3
LETTER = 0.115  # mean width of a letter of the title, rounded up


@cache
def fonts() -> list[str]:
    """Return the installed fonts of FONTS; matplotlib logs a warning for each missing font."""
    return [name for name in FONTS if name in set(font_manager.get_font_names())]


def axis_label(token: str) -> str:
    """Format a token as an axis label: one line, at most LABEL_CHARACTERS, control characters replaced."""
    control = {"Cc", "Cs", "Zl", "Zp"}
    shown = "".join("\N{REPLACEMENT CHARACTER}" if category(c) in control else c for c in token)
    shown = shown.replace("\N{LOWER ONE EIGHTH BLOCK}", "\N{OPEN BOX}")  # a lighter sign for a space
    return shown if len(shown) <= LABEL_CHARACTERS else shown[: LABEL_CHARACTERS - 1] + "…"


def _label_inches(tokens: list[str], size: float) -> float:
    """Estimate the width of the longest label at ``size`` points; measuring would take longer than drawing."""
    wide = [sum(1.05 if east_asian_width(c) in "WF" else 0.64 for c in axis_label(token)) for token in tokens]
    return max(wide, default=0.0) * size / 72 + 0.08


@dataclass(frozen=True)
class _Layout:
    """Layout in inches of a grid of maps of the same size, with a header and a legend.

    Token labels are left of each row of maps and above each column. All maps share one axes with its origin at the top
    left corner: creating an axes per map would take longer than drawing the map.
    """

    rows: int
    columns: int
    queries: list[str]
    keys: list[str]
    cell: float
    size: float  # of labels, in points

    @property
    def _map(self) -> tuple[float, float]:
        """Width and height of a map."""
        return len(self.keys) * self.cell, len(self.queries) * self.cell

    def corner(self, number: int) -> tuple[float, float]:
        """Return the top left corner of map ``number``, counted row by row."""
        row, column = divmod(number, self.columns)
        wide, high = self._map
        x = EDGE + _label_inches(self.queries, self.size) + column * (wide + EDGE)
        y = HEADER + TITLE + _label_inches(self.keys, self.size) + row * (high + EDGE + TITLE)
        return x, y

    def create(self, title: str, words: str) -> tuple[Figure, Axes]:
        """Create the figure with the header and the colour scale; return it and its axes."""
        right, bottom = (a + b for a, b in zip(self.corner(self.rows * self.columns - 1), self._map, strict=True))
        width = max(right + EDGE + LEGEND, 2 * EDGE + LETTER * len(title))
        height = max(bottom + EDGE, 3.2)
        figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        axes.set_axis_off()
        _write(axes, EDGE, EDGE, title, fontsize=13, weight="bold", color=INK, va="top", parse_math=False)
        _write(axes, EDGE, EDGE + 0.27, words, fontsize=9, color=FAINT, va="top")
        self._draw_scale(axes, right + EDGE + 0.1, HEADER + TITLE)
        return figure, axes

    def _draw_scale(self, axes: Axes, x: float, y: float) -> None:
        """Draw the vertical colour scale from 0 to 1."""
        _draw_image(axes, np.linspace(1, 0, 256)[:, None], x, y, 0.13, 2.0)
        style: dict[str, Any] = {"fontsize": 8, "color": FAINT}
        _write(axes, x, y - 0.06, "weight", va="bottom", **style)
        for weight in (0, 0.25, 0.5, 0.75, 1):
            _write(axes, x + 0.18, y + 2.0 * (1 - weight), f"{weight:.2f}", va="center", **style)

    def draw(self, axes: Axes, number: int, weights: Float[np.ndarray, "query key"], title: str = "") -> None:
        """Draw map ``number``. If cells are smaller than letters, only every n-th label is drawn."""
        (x, y), (wide, high), cell = self.corner(number), self._map, self.cell
        _draw_image(axes, weights, x, y, wide, high)
        every = math.ceil(self.size * 1.25 / 72 / cell)
        # Tokens such as "$" are not TeX.
        font = font_manager.FontProperties(family=fonts(), size=self.size)
        style: dict[str, Any] = {"fontproperties": font, "color": INK, "parse_math": False}
        first_row, first_column = number < self.columns, number % self.columns == 0
        for row in range(0, len(self.queries), every) if first_column else ():
            middle = y + (row + 0.5) * cell
            _write(axes, x - 0.05, middle, axis_label(self.queries[row]), ha="right", va="center", **style)
        for column in range(0, len(self.keys), every) if first_row else ():
            middle = x + (column + 0.5) * cell
            _write(
                axes, middle, y - 0.05, axis_label(self.keys[column]), ha="center", va="bottom", rotation=90, **style
            )
        above = _label_inches(self.keys, self.size) if first_row else 0.05
        _write(axes, x, y - above, title, fontsize=9, color=INK, va="bottom")
        if cell > 0.1:  # white lines between cells
            seams: dict[str, Any] = {"color": "white", "linewidth": 0.7}
            axes.hlines(y + np.arange(1, len(self.queries)) * cell, x, x + wide, **seams)
            axes.vlines(x + np.arange(1, len(self.keys)) * cell, y, y + high, **seams)


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Add a text to the figure instead of the axes, whose texts are clipped, which is slow."""
    cast(Figure, axes.figure).text(x, y, text, transform=axes.transData, **style)


def _draw_image(
    axes: Axes, weights: Float[np.ndarray, "query key"], x: float, y: float, wide: float, high: float
) -> None:
    """Draw the weights, one pixel per cell, with the top left corner at (x, y)."""
    extent = (x, x + wide, y + high, y)
    axes.imshow(weights, cmap=COLOURS, vmin=0, vmax=1, interpolation="nearest", aspect="auto", extent=extent)


def draw_layer(sentence: SentenceMaps, name: str) -> Figure:
    """Draw all heads of the map ``name`` ("decoder.2.cross"), one panel per head, on a colour scale from 0 to 1.

    The title of a panel has the mean entropy of the head in nats. Raises KeyError if the sentence has no such map.
    """
    weights = sentence.maps[name]
    queries, keys = sentence.tokens(name)
    cell = min(0.22, 6.0 / max(len(queries), len(keys)))
    columns = min(len(weights), 4)
    rows = math.ceil(len(weights) / columns)
    layout = _Layout(rows, columns, queries, keys, cell, size=8.0 if cell > 0.16 else 7.0)
    kind = sentence.kinds[split_name(name)[0]]
    axes_names = f"rows (queries): {kind.query}\ncolumns (keys): {kind.key}"
    figure, axes = layout.create(f"{kind.title}: {name}", axes_names)
    for head, nats in enumerate(entropy(weights)):
        layout.draw(axes, head, weights[head], f"head {head}   {nats:.2f} nats")
    return figure


def overview_map(sentence: SentenceMaps) -> str | None:
    """Return the name of the cross-attention of the last layer, or without cross-attention, of the self-attention.

    None if the sentence has no maps.
    """
    for kind in reversed(ATTENTION_KINDS):
        names = [name for name in sentence.maps if split_name(name)[0] == kind]
        if names:
            return max(names, key=lambda name: split_name(name)[1])
    return None


def draw_map(sentence: SentenceMaps, name: str) -> Figure:
    """Draw the mean over heads of the map ``name``. Raises KeyError if the sentence has no such map."""
    weights = sentence.maps[name]
    queries, keys = sentence.tokens(name)
    cell = min(0.4, 9.0 / max(len(queries), len(keys)))
    layout = _Layout(1, 1, queries, keys, cell, size=11.0 if cell > 0.25 else 8.0)
    kind = sentence.kinds[split_name(name)[0]]
    heads = "1 head" if len(weights) == 1 else f"mean of {len(weights)} heads"
    axes_names = f"rows (queries): {kind.query}\ncolumns (keys): {kind.key}"
    figure, axes = layout.create(f"{kind.title}: {name}, {heads}", axes_names)
    layout.draw(axes, 0, weights.mean(axis=0))
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Return the figure as PNG; the bytes are deterministic for a version of matplotlib and installed fonts.

    Characters that no installed font has are drawn as boxes, without matplotlib's warning.
    """
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from (current )?font", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively", UserWarning)
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
