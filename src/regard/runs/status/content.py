"""What the content of a status.json means: whether its run lives, and how long it has taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STALE_SECONDS = 120
"""A run that says it is running, but has not said so for so long, is lost."""


def is_lost(status: Mapping[str, Any]) -> bool:
    """Whether a run that was ``running`` has stopped without being able to say so, as far as can be told."""
    if status["status"] != "running":
        return False
    said = _moment(status.get("time"))
    silent = said is not None and (datetime.now(UTC) - said).total_seconds() > STALE_SECONDS
    pid = status.get("pid")
    return silent or (status.get("host") == socket.gethostname() and isinstance(pid, int) and not is_alive(pid))


def elapsed_seconds(status: Mapping[str, Any]) -> float | None:
    """From the first start of a run to its end, or to now if it is running; None if it does not say."""
    began = _moment(status.get("began"))
    end = datetime.now(UTC) if status["status"] == "running" else _moment(status.get("time"))
    return None if began is None or end is None else (end - began).total_seconds()


def is_alive(pid: int) -> bool:
    """Whether there is such a process on this machine, and not just its remains."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    try:  # where there is no /proc, a dead process that nobody has asked after yet passes for alive
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
