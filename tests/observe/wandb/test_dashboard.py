"""What reaches Weights & Biases, read back from the files it keeps offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from regard.errors import UsageError
from regard.observe.wandb.login import decide_mode, logged_in


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without any W&B login."""
    for name in ("WANDB_API_KEY", "NETRC", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_auto_is_online_only_for_who_is_logged_in(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not logged_in()
    assert decide_mode("auto") == "offline"
    (nobody / ".netrc").write_text("machine api.wandb.ai\n login user\n password 0123\n")
    assert logged_in()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "0123")
    assert decide_mode("auto") == "online"
    assert decide_mode("offline") == "offline"
    with pytest.raises(UsageError, match=r"logger\.mode=on"):
        decide_mode("on")
