"""The page that compares runs: one self-contained HTML file with plotly.js in it; it asks no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from regard.files import replacing
from regard.observe.draw.page_template import load_template
from regard.observe.draw.palette import DARK, LIGHT


def render_comparison(path: Path, title: str, subtitle: str, data: Mapping[str, Any]) -> None:
    """Write the page that shows ``data`` (see `regard.compare.page`) to ``path``.

    Title and subtitle are plain text. Numbers that JSON does not know are passed on as text: NaN, Infinity, -Infinity;
    the page leaves a gap for them in curves, and shows them as they are in tables. Raises OSError if it cannot be
    written.
    """
    from plotly.offline import get_plotlyjs

    html = load_template("compare.html.jinja").render(
        title=title,
        subtitle=subtitle,
        plotly=escape_script(get_plotlyjs()),
        data=to_json_value(dict(data) | {"palette": {"light": LIGHT, "dark": DARK}}),
    )
    content = html.encode("utf-8", errors="replace")  # a lone surrogate in a name is no reason to stop
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)


def escape_script(code: str) -> Markup:
    """JavaScript of a library to stand inside a script element, which its strings must not end or comment out."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def to_json_value(value: Any) -> Any:
    """``value`` as JSON may have it; what it does not know, as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): to_json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return value if _all_finite(value) else [to_json_value(each) for each in value]
    return str(value)


def _all_finite(values: Sequence[Any]) -> bool:
    """Whether these plainly are finite numbers: a page has many of them."""
    try:
        return math.isfinite(sum(values))
    except TypeError:
        return False
