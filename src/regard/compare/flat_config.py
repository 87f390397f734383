"""Frozen configurations as flat mappings from dotted keys to values."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import yaml

from regard.config.flatten import flatten
from regard.runs.parse import load_yaml

SECTIONS = (re.compile(r"^(?=[^\s#-])", re.MULTILINE), re.compile(r"^(?=  [^\s#-])", re.MULTILINE))
"""The starts of keys of the first level and of the second level."""


def load_flat_config(text: str) -> Any:
    """Parse a configuration and return its values by dotted keys; the values are shared, do not modify them.

    Sections with the same text, as in runs of a sweep, are parsed once. A value that is not a mapping is returned
    unchanged. Raises YAMLError.
    """
    try:
        found: dict[str, Any] = {}
        for section in SECTIONS[0].split(text):
            first, *parts = SECTIONS[1].split(section)
            if parts and first.endswith(":\n"):
                found |= {f"{first[:-2]}.{key}": value for part in parts for key, value in _parse_part(part).items()}
            elif section.strip():
                found |= _parse_part(section)
        return found or load_yaml(text)
    except (yaml.YAMLError, AttributeError):  # a section with an alias, or no mapping
        whole = load_yaml(text)
        return flatten(whole) if isinstance(whole, dict) else whole


@lru_cache(maxsize=1 << 14)
def _parse_part(text: str) -> dict[str, Any]:
    return flatten(load_yaml(text))


def canonical_text(value: Any) -> str:
    """Return a text that is the same for two values if and only if they are equal."""
    return json.dumps(value, sort_keys=True, default=str)
