"""Numbers with three digits and a unit."""

from __future__ import annotations

LARGE = ((12, "T"), (9, "G"), (6, "M"), (3, "k"))


def format_number(value: float | None, unit: str = "") -> str:
    """Return ``1.23 M`` and ``1.23 MB``, powers of 1000; empty for None."""
    if value is None:
        return ""
    power, prefix = next(((power, name) for power, name in LARGE if value >= 10**power), (0, ""))
    return f"{_three_digits(value / 10**power)} {prefix}{unit}".rstrip()


def format_bytes(value: float | None) -> str:
    """Return ``1.23 GB``, powers of 1000; empty for None."""
    return format_number(value, "B")


def format_seconds(value: float | None) -> str:
    """Return ``1.23 s``, ``12.3 ms`` or ``12.3 µs``; empty for None."""
    if value is None:
        return ""
    scale, unit = next(((scale, unit) for scale, unit in ((1, "s"), (1e-3, "ms")) if value >= scale), (1e-6, "µs"))
    return f"{_three_digits(value / scale)} {unit}"


def format_dollars(value: float | None) -> str:
    """Return ``$1.23``, with at least two digits of small amounts; empty for None."""
    if value is None:
        return ""
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
