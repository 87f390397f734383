"""One sentence, looked at on request: a page and a picture."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError, UsageError
from regard.model.translator import Translator
from regard.observe.image import draw_overview, png
from regard.observe.page import render_page
from regard.observe.recording import Regarded, record_attention


def write_attention(
    translator: Translator, source: str, target: str | None, page: Path, beam_size: int
) -> tuple[Regarded, Path]:
    """Write the page to ``page`` and the overview as PNG beside it; what was recorded, and the PNG's path.

    Raises UsageError for a sentence of nothing, RegardError if the files cannot be written.
    """
    if not source.strip():
        raise UsageError("--source: give a sentence")
    regarded = record_attention(translator, source, target, beam_size)
    facts = {"source": source, "target": regarded.target}
    picture = page.with_suffix(".png")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        render_page(page, [regarded.maps], "What the model attends to", facts=facts)
        picture.write_bytes(png(draw_overview(regarded.maps)))
    except OSError as error:
        raise RegardError(f"{page}: cannot be written ({error.strerror}); choose another --output") from error
    return regarded, picture
