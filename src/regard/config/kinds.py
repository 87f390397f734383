"""Kinds of configuration values: the values that a key accepts, and their description for error messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Kind:
    """The values that a key accepts.

    expected: their description, after "expected"
    accepts: returns whether a value, as YAML reads it, is one of them
    """

    expected: str
    accepts: Callable[[Any], bool]

    def __or__(self, other: Kind) -> Kind:
        """Return the union of two kinds."""
        return Kind(f"{self.expected}, or {other.expected}", lambda value: self.accepts(value) or other.accepts(value))


def integer(least: int, most: int | None = None) -> Kind:
    """Integers from ``least`` to ``most``. true and false are not integers."""

    def accepts(value: Any) -> bool:
        return type(value) is int and value >= least and (most is None or value <= most)

    return Kind(f"an integer >= {least}" if most is None else f"an integer from {least} to {most}", accepts)


def even(least: int) -> Kind:
    """Even integers from ``least``."""
    return Kind(f"an even integer >= {least}", lambda value: integer(least).accepts(value) and value % 2 == 0)


def number(
    least: float | None = None, most: float | None = None, above: float | None = None, below: float | None = None
) -> Kind:
    """Finite numbers from ``least`` to ``most``, and strictly between ``above`` and ``below``."""

    def accepts(value: Any) -> bool:
        return (
            type(value) in (int, float)
            and math.isfinite(value)
            and (least is None or value >= least)
            and (most is None or value <= most)
            and (above is None or value > above)
            and (below is None or value < below)
        )

    if least is not None and most is None and below is None:
        return Kind(f"a number >= {least:g}", accepts)
    bounds = (("from", least), ("above", above), ("up to", most), ("below", below))
    limits = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
    return Kind(" ".join(["a number", " and ".join(limits)]).strip(), accepts)


def choice(words: Iterable[str]) -> Kind:
    """One of ``words``."""
    allowed = tuple(words)
    words_in_short = " or ".join(allowed) if len(allowed) < 3 else f"one of {', '.join(allowed)}"
    return Kind(words_in_short, lambda value: isinstance(value, str) and value in allowed)


def sequence(kind: Kind, length: int | None = None) -> Kind:
    """Lists of ``length`` values of ``kind``; of any length if it is None."""

    def accepts(value: Any) -> bool:
        return isinstance(value, list) and length in (None, len(value)) and all(map(kind.accepts, value))

    return Kind(f"a list of {'values' if length is None else f'{length} values'}, each {kind.expected}", accepts)


NULL = Kind("null", lambda value: value is None)
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
TEXT = Kind("text", lambda value: isinstance(value, str) and bool(value.strip()))
"""Text that is not blank."""
NAME = Kind("text", lambda value: TEXT.accepts(str(value)) and type(value) in (str, int, float))
"""Text that YAML may read as a number, such as a column named 1."""
OF_REGARD = Kind("no value, because regard sets it", lambda value: False)
"""An argument that regard passes itself."""
OBJECT = Kind("an object with a _target_", lambda value: isinstance(value, dict) and "_target_" in value)


def shown(value: Any) -> str:
    """Return ``value`` as written in YAML and on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return "''" if not text else text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
