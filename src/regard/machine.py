"""Resources of this machine."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Return the number of processors that this process may use: on a shared node, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
