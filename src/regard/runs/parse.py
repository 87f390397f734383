"""Parse files of a run folder, with an error that names a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from regard.errors import RegardError, one_line

Content = TypeVar("Content")

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C if available: ten times faster, with the same result."""


def load_yaml(text: str) -> Any:
    """Return the content of a YAML text, plain values only."""
    return yaml.load(text, SAFE_LOADER)


def parse_file(path: Path, parse: Callable[[str], Any], kind: type[Content]) -> Content:
    """Parse the text of ``path`` with ``parse`` and return the result, which must be of type ``kind``.

    Raises RegardError, naming ``path``, if the file cannot be read or parsed or has another content.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegardError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise damaged_file(path, one_line(error)) from error
    if not isinstance(content, kind):
        raise damaged_file(path, f"it contains a {type(content).__name__}, expected a {kind.__name__}")
    return content


def damaged_file(path: Path, why: str) -> RegardError:
    """Return the error for a file with unexpected content."""
    return RegardError(f"{path}: damaged ({why}); restore it, or remove its run folder")
