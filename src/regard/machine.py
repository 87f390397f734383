"""Resources of this machine."""

from __future__ import annotations

import os


def share_processors() -> None:
    """Let threads that wait for each other sleep, unless the user has set OMP_WAIT_POLICY. Child processes inherit it.

    By default the threads of torch spin while they wait, and keep a processor from the thread that they wait for. With
    other programs running on two cores, a step of the default model then takes two to ten times as long. Call it
    before torch is imported: OpenMP reads the variable when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def available_processors() -> int:
    """Return the number of processors that this process may use: on a shared node, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
