"""Packages that regard can do without."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from regard.errors import UsageError


def need(package: str, purpose: str) -> None:
    """Raise a UsageError that names the extra, unless the package is installed; does not import it."""
    if find_spec(package) is None:
        raise UsageError(f"{purpose} needs the package {package}: pip install 'regard[datasets]'")


def load(module: str, purpose: str) -> Any:
    """The module of an optional package; raises as ``need`` does."""
    need(module.partition(".")[0], purpose)
    return import_module(module)
