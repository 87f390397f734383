"""The projected neighbours of a word as an image and as a self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from regard.errors import RegardError, UsageError
from regard.files import replacing
from regard.observe.draw.image import FAINT, INK, axis_label, fonts, png_bytes
from regard.observe.draw.label_placement import place_labels
from regard.observe.draw.page_template import load_template
from regard.observe.measure.neighbours import Neighbourhood, Projection

WIDTH, HEIGHT, EDGE, GAP = 900.0, 620.0, 70.0, 8.0  # pixels
SIZES = (16.0, 12.0, 10.0)  # font size by degree
COLOURS = ("#c2410c", "#1f63a6", "#7d8a98")


class Point(NamedTuple):
    """A point, its label, and the position of the left end of the label (at half its height)."""

    x: float
    y: float
    label_x: float
    label_y: float
    label: str
    degree: int


def lay_out_points(points: Projection) -> list[Point]:
    """Return the points in pixels, y downwards, with the same scale on both axes."""
    low, high = points.points.min(axis=0), points.points.max(axis=0)
    scale = min((WIDTH - 2 * EDGE) / max(high[0] - low[0], 1e-9), (HEIGHT - 2 * EDGE) / max(high[1] - low[1], 1e-9))
    centre = (low + high) / 2
    placed = [
        (float(WIDTH / 2 + (x - centre[0]) * scale), float(HEIGHT / 2 - (y - centre[1]) * scale))
        for x, y in points.points
    ]
    labels = [axis_label(text) for text in points.labels]
    sizes = [
        (_wide(text) * SIZES[degree], 1.25 * SIZES[degree]) for text, degree in zip(labels, points.degree, strict=True)
    ]
    corners = place_labels(placed, sizes, GAP)
    return [
        Point(x, y, left, top + size[1] / 2, text, degree)
        for (x, y), (left, top), size, text, degree in zip(placed, corners, sizes, labels, points.degree, strict=True)
    ]


def _wide(text: str) -> float:
    """Estimate the width of a text at font size 1."""
    return sum(1.05 if east_asian_width(char) in "WF" else 0.62 for char in text)


def require_suffix(path: Path) -> None:
    """Raise UsageError unless ``path`` ends in .png or .html."""
    if path.suffix not in (".png", ".html"):
        raise UsageError(f"--output {path}: expected a name that ends in .png or .html")


def write_projection(around: Neighbourhood, points: Projection, path: Path) -> None:
    """Write the projection to ``path``, a .png or .html file.

    Raises UsageError for another suffix, and RegardError if the file cannot be written.
    """
    require_suffix(path)
    content = (
        png_bytes(draw_projection(around, points))
        if path.suffix == ".png"
        else render_projection(around, points).encode()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise RegardError(f"{path}: cannot be written ({error.strerror}); choose another path with --output") from error


def caption(points: Projection) -> str:
    """Return the description of the projection."""
    return (
        "nearest neighbours by cosine similarity (blue) and their neighbours (grey), projected to the first two "
        f"principal components ({points.variance:.0%} of the variance)"
    )


def draw_projection(around: Neighbourhood, points: Projection) -> Figure:
    """Draw the projection as a figure."""
    head = 70.0
    figure = Figure(figsize=(WIDTH / 100, (HEIGHT + head) / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, HEIGHT / (HEIGHT + head)))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.set_axis_off()
    style: dict[str, Any] = {"fontfamily": fonts(), "parse_math": False}
    title = axis_label(around.word)
    figure.text(
        0.018,
        1 - 14 / (HEIGHT + head),
        f"Neighbours of {title}",
        fontsize=13,
        weight="bold",
        color=INK,
        va="top",
        **style,
    )
    figure.text(0.018, 1 - 42 / (HEIGHT + head), caption(points), fontsize=9, color=FAINT, va="top")
    for point in reversed(lay_out_points(points)):
        colour = COLOURS[point.degree]
        axes.plot([point.x], [point.y], "o", color=colour, markersize=(8, 5.5, 3.5)[point.degree])
        axes.text(
            point.label_x, point.label_y, point.label, color=INK if point.degree < 2 else FAINT, ha="left", va="center",
            fontsize=SIZES[point.degree] * 0.72, weight="bold" if point.degree == 0 else "normal", **style,
        )  # fmt: skip
    return figure


def render_projection(around: Neighbourhood, points: Projection) -> str:
    """Render the projection and the table of cosines as a page."""
    return load_template("neighbours.html.jinja").render(
        word=around.word,
        pieces=around.pieces,
        caption=caption(points),
        neighbours=around.neighbours,
        points=lay_out_points(points)[::-1],
        width=WIDTH,
        height=HEIGHT,
        sizes=SIZES,
    )
