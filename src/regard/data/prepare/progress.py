"""Progress of the preparation of a corpus."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called at intervals with the activity, the number of records done, and their total number if it is known."""

LINE_SECONDS = 15


class ProgressLines:
    """Reports progress as a line of text at intervals, for logs.

    Args:
        say: called with each line.
        seconds: minimum time between two lines, and before the first one.
    """

    def __init__(self, say: Callable[[str], None], seconds: float = LINE_SECONDS) -> None:
        self.say, self.seconds = say, seconds
        self._last = time.monotonic()

    def __call__(self, activity: str, done: int, total: int | None) -> None:
        """Report the progress, unless the last line is too recent."""
        if time.monotonic() - self._last >= self.seconds:
            self._last = time.monotonic()
            self.say(f"{activity}: {done:,}" + (f" of {total:,}" if total is not None else ""))
