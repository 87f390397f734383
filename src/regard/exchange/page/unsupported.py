"""The refusal of models that a page cannot compute."""

from __future__ import annotations

from regard.errors import UsageError


def unsupported(option: str, found: object, expected: str) -> UsageError:
    """Return the error for an option of the configuration. ``found`` is its value, or an object of the class."""
    name = found if isinstance(found, str) else type(found).__name__
    return UsageError(f"{option}={name}: a page in a browser cannot compute it; expected {expected}")
