"""The page and the image of one sentence, for `regard attend`."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError
from regard.observe.draw.image import overview_map, png_bytes
from regard.observe.draw.image_strip import draw_trace
from regard.observe.draw.kernels_image import draw_kernels
from regard.observe.draw.page import MAX_BYTES, Omitted, page_title, render_page
from regard.observe.record.trace import Trace


def write_attention(trace: Trace, page: Path, max_bytes: int = MAX_BYTES) -> tuple[Path | None, Omitted]:
    """Write the page to ``page`` and a picture next to it; return the path of the picture and what was left out.

    The picture shows the attention; the kernels, if there is none; without kernels there is no picture.
    Raises RegardError if the files cannot be written.
    """
    picture, shown = page.with_suffix(".png"), overview_map(trace.maps)
    figure = draw_kernels(trace.mixers) if shown is None else draw_trace(trace, shown)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        left_out = render_page(page, [trace], page_title(trace), max_bytes=max_bytes)
        if figure is not None:
            picture.write_bytes(png_bytes(figure))
    except OSError as error:
        raise RegardError(f"{page}: cannot be written ({error.strerror}); choose another path with --output") from error
    return None if figure is None else picture, left_out
