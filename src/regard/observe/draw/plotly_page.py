"""Pages with plots: self-contained HTML files that include plotly.js and need no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from regard.files import replacing
from regard.observe.draw.page_template import load_template
from regard.observe.draw.palette import DARK, LIGHT


def write_plotly_page(path: Path, template: str, title: str, subtitle: str, data: Mapping[str, Any]) -> None:
    """Write the page of a template for ``data`` to ``path``; title and subtitle are plain text.

    `regard.compare.page` and `regard.cost.page` make the data.

    NaN, Infinity and -Infinity become strings, since JSON has no such numbers: they are gaps in curves, and text in
    tables. Raises OSError if the file cannot be written.
    """
    from plotly.offline import get_plotlyjs

    html = load_template(template).render(
        title=title,
        subtitle=subtitle,
        plotly=escape_script(get_plotlyjs()),
        data=to_json_value(dict(data) | {"palette": {"light": LIGHT, "dark": DARK}}),
    )
    content = html.encode("utf-8", errors="replace")  # names may contain lone surrogates
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)


def escape_script(code: str) -> Markup:
    """Escape JavaScript for a script element: its strings must not close the element or start a comment."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def to_json_value(value: Any) -> Any:
    """Convert ``value`` to the types of JSON; other values become strings."""
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
    """Return whether all values are finite numbers: a fast path, since pages have many numbers."""
    try:
        return math.isfinite(sum(values))
    except TypeError:
        return False
