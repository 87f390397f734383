"""The page that compares runs: one self-contained HTML file with plotly.js in it; it asks no network."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from regard.data.tokenizer.specials import SPACE, SPECIAL_PIECES
from regard.files import replacing
from regard.observe.draw.palette import DARK, LIGHT
from regard.observe.record.maps import SentenceMaps


def render_comparison(path: Path, title: str, subtitle: str, data: Mapping[str, Any]) -> None:
    """Write the page that shows ``data`` (see `regard.compare.page`) to ``path``.

    Title and subtitle are plain text. Numbers that JSON does not know are passed on as text: NaN, Infinity, -Infinity;
    the page leaves a gap for them in curves, and shows them as they are in tables. Raises OSError if it cannot be
    written.
    """
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("regard.observe"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    html = environment.get_template("compare.html.jinja").render(
        title=title,
        subtitle=subtitle,
        plotly=as_script(get_plotlyjs()),
        data=plain(dict(data) | {"palette": {"light": LIGHT, "dark": DARK}}),
    )
    content = html.encode("utf-8", errors="replace")  # a lone surrogate in a name is no reason to stop
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)


def as_script(code: str) -> Markup:
    """JavaScript of a library to stand inside a script element, which its strings must not end or comment out."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def plain(value: Any) -> Any:
    """``value`` as JSON may have it; what it does not know, as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return value if _all_finite(value) else [plain(each) for each in value]
    return str(value)


def _all_finite(values: Sequence[Any]) -> bool:
    """Whether these plainly are finite numbers: a page has many of them."""
    try:
        return math.isfinite(sum(values))
    except TypeError:
        return False


def as_steps(weights: Float[np.ndarray, "heads query key"]) -> str:
    """Weights from 0 to 1 as whole steps of 1/255, a byte each, in base64."""
    steps = np.rint(np.clip(np.nan_to_num(weights), 0, 1) * 255).astype(np.uint8)
    return b64encode(steps.tobytes()).decode("ascii")


def sentence_of(maps: SentenceMaps) -> str:
    """The text by which runs are laid side by side: the source, or what a language model reads."""
    pieces = maps.source or maps.target
    return "".join(piece for piece in pieces if piece not in SPECIAL_PIECES).replace(SPACE, " ").strip()
