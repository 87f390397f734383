"""How far a long preparation has come, told by whoever does it to whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Is called now and then with an activity, the records done, and how many there are, if that is known."""

LINE_SECONDS = 15


class ProgressLines:
    """Progress as a line of text now and then, for logs.

    Args:
        say: is given each line.
        seconds: the least time between two of them, and before the first.
    """

    def __init__(self, say: Callable[[str], None], seconds: float = LINE_SECONDS) -> None:
        self.say, self.seconds = say, seconds
        self._last = time.monotonic()

    def __call__(self, activity: str, done: int, total: int | None) -> None:
        """Say it, unless the last line is too recent."""
        if time.monotonic() - self._last >= self.seconds:
            self._last = time.monotonic()
            self.say(f"{activity}: {done:,}" + (f" of {total:,}" if total is not None else ""))
