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
"""Where a key of the first level begins, and one of the second."""


def load_flat_config(text: str) -> Any:
    """The values of a configuration by their dotted keys, not to be changed: equal sections of runs are parsed once.

    Anything else than a mapping is returned as it is. Raises YAMLError.
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
    except (yaml.YAMLError, AttributeError):  # one that refers to another, or none at all
        whole = load_yaml(text)
        return flatten(whole) if isinstance(whole, dict) else whole


@lru_cache(maxsize=1 << 14)
def _parse_part(text: str) -> dict[str, Any]:
    return flatten(load_yaml(text))


def canonical_text(value: Any) -> str:
    """A value of a configuration as text that is the same for equal values, and for these alone."""
    return json.dumps(value, sort_keys=True, default=str)
