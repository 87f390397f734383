"""The page and the image of one sentence, for `regard attend`."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError
from regard.observe.draw.image import overview_map, png_bytes
from regard.observe.draw.image_strip import draw_trace
from regard.observe.draw.page import MAX_BYTES, Omitted, render_page
from regard.observe.record.trace import Trace


def write_attention(trace: Trace, page: Path, max_bytes: int = MAX_BYTES) -> tuple[Path, Omitted]:
    """Write the page to ``page`` and the overview image next to it; return the path of the image and what was left out.

    Raises RegardError if the files cannot be written.
    """
    picture = page.with_suffix(".png")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        left_out = render_page(page, [trace], "Attention", max_bytes=max_bytes)
        picture.write_bytes(png_bytes(draw_trace(trace, overview_map(trace.maps))))
    except OSError as error:
        raise RegardError(f"{page}: cannot be written ({error.strerror}); choose another path with --output") from error
    return picture, left_out
