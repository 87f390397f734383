"""The page and the picture of one drawing, for `regard attend`."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError
from regard.observe.draw.drawing.page import render_drawings
from regard.observe.draw.drawing.picture import draw_drawing
from regard.observe.draw.image import png_bytes
from regard.observe.record.drawing import DrawingTrace

TITLE = "Attention of a drawing"


def write_drawing(trace: DrawingTrace, page: Path, max_bytes: int) -> tuple[Path, str]:
    """Write the page to ``page`` and a picture next to it; return the path of the picture and what was left out.

    Raises RegardError if the files cannot be written.
    """
    picture, drawing = page.with_suffix(".png"), trace.drawing
    facts = {"seed": str(trace.wanted.seed), "steps": str(drawing.steps)}
    facts |= {"guidance": f"{drawing.guidance:g}", "solver": drawing.solver}
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        left_out = render_drawings(page, [trace], TITLE, trace.wanted.prompt, facts, max_bytes)
        picture.write_bytes(png_bytes(draw_drawing(trace)))
    except OSError as error:
        raise RegardError(f"{page}: cannot be written ({error.strerror}); choose another path with --output") from error
    return picture, left_out
