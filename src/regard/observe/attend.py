"""One sentence, looked at on request: a page and a picture."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError
from regard.observe.image import draw_overview, png
from regard.observe.page import render_page
from regard.observe.recording import Regarded


def write_attention(regarded: Regarded, page: Path) -> Path:
    """Write the page to ``page`` and the overview as PNG beside it; the PNG's path.

    Raises RegardError if the files cannot be written.
    """
    facts = {"source": regarded.source} if regarded.source else {}
    facts["target"] = regarded.target
    picture = page.with_suffix(".png")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        render_page(page, [regarded.maps], "What the model attends to", facts=facts)
        picture.write_bytes(png(draw_overview(regarded.maps)))
    except OSError as error:
        raise RegardError(f"{page}: cannot be written ({error.strerror}); choose another --output") from error
    return picture
