"""Login state of Weights & Biases and the resulting mode. Imports neither torch nor wandb."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

from regard.errors import UsageError

MODES = ("online", "offline", "disabled")


def logged_in() -> bool:
    """Return whether W&B has an API key, in ``WANDB_API_KEY`` or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    for name in (".netrc", "_netrc"):
        path = Path(os.environ.get("NETRC") or Path.home() / name)
        try:
            if netrc.netrc(path).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def decide_mode(mode: str) -> str:
    """Resolve ``auto`` to online if the user is logged in, else to offline; return other modes unchanged.

    Raises UsageError for an unknown mode.
    """
    if mode == "auto":
        return "online" if logged_in() else "offline"
    if mode not in MODES:
        raise UsageError(f"logger.mode={mode}: expected one of auto, {', '.join(MODES)}")
    return mode
