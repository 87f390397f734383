"""Files of a run folder: their content, or an error that names the file that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from regard.errors import RegardError, one_line

Content = TypeVar("Content")

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Of the two that give the same, the one in C, where there is one: it takes a tenth of the time."""


def load_yaml(text: str) -> Any:
    """The content of a YAML text, plain values only."""
    return yaml.load(text, SAFE_LOADER)


def parse_file(path: Path, parse: Callable[[str], Any], kind: type[Content]) -> Content:
    """What ``parse`` makes of the text of ``path``, which is of ``kind``.

    Raises RegardError naming ``path`` if it cannot be read, or holds anything else.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegardError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise damaged_file(path, one_line(error)) from error
    if not isinstance(content, kind):
        raise damaged_file(path, f"{type(content).__name__}, not {kind.__name__}")
    return content


def damaged_file(path: Path, why: str) -> RegardError:
    """The error of a file that does not hold what it should."""
    return RegardError(f"{path}: damaged ({why}); restore it, or remove its run folder")
