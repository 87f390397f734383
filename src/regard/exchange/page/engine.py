"""The JavaScript that computes a model in a browser."""

from __future__ import annotations

from regard.observe.draw.page_template import load_template


def engine_source() -> str:
    """Return the functions and classes that tokenize, compute a model and decode, as the text of one script."""
    return load_template("live/engine.js.jinja").render()
