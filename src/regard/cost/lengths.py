"""The lengths of sequences to measure, as given on the command line."""

from __future__ import annotations

from regard.errors import UsageError


def parse_lengths(text: str) -> list[int]:
    """Return the lengths in ``text``, ascending: ``128,256,512``, or ``128,...,512``, which doubles the first.

    Raises UsageError.
    """
    lengths: list[int] = []
    doubling = False
    for part in text.split(","):
        part = part.strip()
        if part == "..." and lengths and not doubling:
            doubling = True
            continue
        if not part.isdecimal() or int(part) < 2:
            raise UsageError(
                f"--lengths {text}: expected numbers of tokens from 2, such as 128,256,512 or 128,...,16384 (doubling)"
            )
        while doubling and 2 * lengths[-1] < int(part):
            lengths.append(2 * lengths[-1])
        lengths.append(int(part))
        doubling = False
    if doubling:
        raise UsageError(f"--lengths {text}: expected a last length after ...")
    return sorted(set(lengths))
