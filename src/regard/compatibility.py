"""Configurations written by earlier versions of regard, in run folders and in checkpoints."""

from __future__ import annotations

from typing import Any

RENAMED = {
    "regard.model.positions.Unmarked": "regard.model.positions.NoPositions",
    "regard.model.positions.Unturned": "regard.model.positions.NoRotation",
}
"""Targets that earlier versions wrote (until 0.2) and their present names."""


def with_present_names(config: Any) -> Any:
    """Return a copy of ``config`` in which each ``_target_`` has its present name."""
    if isinstance(config, dict):
        return {
            key: RENAMED.get(value, value) if key == "_target_" else with_present_names(value)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [with_present_names(value) for value in config]
    return config
