"""Interpretation of the content of status.json."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STALE_SECONDS = 120
"""A running run whose last heartbeat is older than this is lost."""


def is_lost(status: Mapping[str, Any]) -> bool:
    """Return whether a run with status ``running`` has stopped without recording its end.

    Its heartbeat is stale, or its process, if it was on this host, no longer exists.
    """
    if status["status"] != "running":
        return False
    last_heartbeat = _parse_time(status.get("time"))
    stale = last_heartbeat is not None and (datetime.now(UTC) - last_heartbeat).total_seconds() > STALE_SECONDS
    pid = status.get("pid")
    return stale or (status.get("host") == socket.gethostname() and isinstance(pid, int) and not is_alive(pid))


def elapsed_seconds(status: Mapping[str, Any]) -> float | None:
    """Return the time from the first start of a run to its end, or to now if it is running; None if unknown."""
    start = _parse_time(status.get("began"))
    end = datetime.now(UTC) if status["status"] == "running" else _parse_time(status.get("time"))
    return None if start is None or end is None else (end - start).total_seconds()


def is_alive(pid: int) -> bool:
    """Return whether process ``pid`` of this host exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    try:  # without /proc (macOS), a zombie counts as alive
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _parse_time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None
