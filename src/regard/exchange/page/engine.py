"""The JavaScript that runs a model in a browser."""

from __future__ import annotations

from regard.observe.draw.page_template import load_template


def engine_source() -> str:
    """Return the functions and classes that tokenize, compute a model and decode, as the text of one script."""
    return load_template("live/engine.js.jinja").render()


def worker_source() -> str:
    """Return the text of the worker of a page: the engine, and the messages that live/engine/worker.js describes."""
    return load_template("live/worker.js.jinja").render()
