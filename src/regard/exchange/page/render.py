"""The live page: one self-contained HTML file with a model, its tokenizers and the JavaScript that runs them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from regard.exchange.page.engine import worker_source
from regard.exchange.page.live import Live
from regard.observe.draw.kernels_packing import pack_mixers
from regard.observe.draw.packing import pack_common
from regard.observe.draw.page_template import load_template
from regard.observe.draw.palette import DARK, LIGHT
from regard.observe.record.mixers import describe_mixers
from regard.observe.record.trace import Trace

MAX_KERNEL_BYTES = 4 * 2**20


def render_live_page(kind: Literal["text", "drawing"], form: str, live: Live, about: Mapping[str, Any]) -> str:
    """Return the HTML of the page of a model.

    kind: of the output, a template of ``templates/live``
    form: what is entered, a name of ``templates/live/form``
    about: plain text: ``title``, ``facts`` by label, ``deviation`` and ``example``, the input that the page is opened
        with; and ``data``, ``mixers`` and ``left_out`` of the views
    """
    style = load_template(f"live/style/{kind}.css.jinja").render()
    script = load_template(f"live/script/{kind}.js.jinja").render(form=form)
    return load_template(f"live/{kind}.html.jinja").render(
        **about,
        form=form,
        description=live.description,
        weights=live.weights,
        worker=worker_source(),
        style=style,
        style_hash=source_hash(style),
        script=script,
        script_hash=source_hash(script),
    )


def views_of_text(recorded: Trace) -> dict[str, Any]:
    """Return what the views of a model that writes text need; ``recorded`` is the trace of any text."""
    mixers = pack_mixers(recorded.mixers, MAX_KERNEL_BYTES)
    return {
        "data": pack_common(recorded.maps) | {"mixers": mixers.data, "notes": [], "sentences": []},
        "mixers": describe_mixers(recorded.mixers),
        "left_out": f"kernels of {mixers.left_out:,} channels" if mixers.left_out else "",
    }


def views_of_drawings() -> dict[str, Any]:
    """Return what the views of an image model need."""
    data = {"palette": {"light": LIGHT, "dark": DARK}, "drawings": [], "notes": []}
    return {"data": data, "mixers": "", "left_out": ""}


def source_hash(text: str) -> str:
    """Return the source expression of a content security policy that allows one inline script or style."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}'"
