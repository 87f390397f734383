"""The refusal of models that a format cannot represent."""

from __future__ import annotations

from regard.errors import UsageError


class Unsupported(UsageError):
    """An option of a model that a format cannot represent.

    option: its key in the configuration
    found: its value, or an object of the class that it names
    expected: the values that the format can represent
    """

    def __init__(self, option: str, found: object, expected: str) -> None:
        name = found if isinstance(found, str) else type(found).__name__
        super().__init__(f"{option}={name}: expected {expected}")
