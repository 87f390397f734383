"""Optional packages."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from regard.errors import UsageError


def require(package: str, purpose: str) -> None:
    """Raise a UsageError that names the extra if the package is not installed. Does not import it."""
    if find_spec(package) is None:
        raise UsageError(f"{purpose} needs the package {package}: pip install 'regard[datasets]'")


def import_optional(module: str, purpose: str) -> Any:
    """Import and return a module of an optional package. Raises as ``require``."""
    require(module.partition(".")[0], purpose)
    return import_module(module)
