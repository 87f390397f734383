"""The Jinja templates of HTML pages, and the JSON that they embed."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps

JSON_OPTIONS: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False}
"""Compact, and in the order of insertion; jinja2 would sort the keys."""


def load_template(name: str) -> Template:
    """Return the template ``name`` of ``regard/observe/templates``, with autoescape and strict variables."""
    environment = Environment(
        loader=PackageLoader("regard.observe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = JSON_OPTIONS
    return environment.get_template(name)


def json_length(value: Any) -> int:
    """Number of characters of ``value`` as JSON in a page (the filter ``tojson``)."""
    return len(htmlsafe_json_dumps(value, **JSON_OPTIONS))
