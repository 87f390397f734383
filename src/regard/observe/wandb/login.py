"""Whether Weights & Biases knows the user, and what follows from it; imports neither torch nor wandb."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

from regard.errors import UsageError

MODES = ("online", "offline", "disabled")


def logged_in() -> bool:
    """Whether W&B would find a key here: in ``WANDB_API_KEY`` or in the netrc file. Reads no more than that."""
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
    """``auto`` becomes online if the user is logged in, else offline; the others stay.

    Raises UsageError for a mode that is none.
    """
    if mode == "auto":
        return "online" if logged_in() else "offline"
    if mode not in MODES:
        raise UsageError(f"logger.mode={mode}: choose one of auto, {', '.join(MODES)}")
    return mode
