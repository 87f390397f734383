"""Kinds of configuration values: which values a key takes, and the words that say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Kind:
    """The values that a key takes.

    expected: the values in words, after "give"
    takes: whether a value, as YAML reads it, is one of them
    """

    expected: str
    takes: Callable[[Any], bool]

    def __or__(self, other: Kind) -> Kind:
        """The values of either."""
        return Kind(f"{self.expected}, or {other.expected}", lambda value: self.takes(value) or other.takes(value))


def whole(least: int, most: int | None = None) -> Kind:
    """Integers from ``least`` to ``most``; true and false are not numbers."""

    def takes(value: Any) -> bool:
        return type(value) is int and value >= least and (most is None or value <= most)

    return Kind(f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}", takes)


def number(
    least: float | None = None, most: float | None = None, above: float | None = None, below: float | None = None
) -> Kind:
    """Finite numbers from ``least`` to ``most``; above ``above`` and below ``below``, without these themselves."""

    def takes(value: Any) -> bool:
        return (
            type(value) in (int, float)
            and math.isfinite(value)
            and (least is None or value >= least)
            and (most is None or value <= most)
            and (above is None or value > above)
            and (below is None or value < below)
        )

    if least is not None and most is None and below is None:
        return Kind(f"a number, {least:g} or more", takes)
    bounds = (("from", least), ("above", above), ("up to", most), ("below", below))
    limits = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
    return Kind(" ".join(["a number", " and ".join(limits)]).strip(), takes)


def choice(words: Iterable[str]) -> Kind:
    """One of ``words``."""
    allowed = tuple(words)
    words_in_short = " or ".join(allowed) if len(allowed) < 3 else f"one of {', '.join(allowed)}"
    return Kind(words_in_short, lambda value: isinstance(value, str) and value in allowed)


def sequence(kind: Kind, length: int | None = None) -> Kind:
    """Lists of ``length`` values of ``kind``; of any number of them if it is None."""

    def takes(value: Any) -> bool:
        return isinstance(value, list) and length in (None, len(value)) and all(map(kind.takes, value))

    return Kind(f"a list of {'' if length is None else f'{length} values, each '}{kind.expected}", takes)


NULL = Kind("null", lambda value: value is None)
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
TEXT = Kind("text", lambda value: isinstance(value, str) and bool(value.strip()))
"""Text that is not blank."""
NAME = Kind("text", lambda value: TEXT.takes(str(value)) and type(value) in (str, int, float))
"""Text that YAML may have read as a number: a column named 1."""
OF_REGARD = Kind("no value: regard sets it", lambda value: False)
"""Of an argument that regard gives, whatever the configuration says."""
OBJECT = Kind("an object with a _target_", lambda value: isinstance(value, dict) and "_target_" in value)


def shown(value: Any) -> str:
    """``value`` as it is written in YAML and on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return "''" if not text else text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
