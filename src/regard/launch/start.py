"""Start the work of run folders with the launcher that their configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from regard.instantiate import build
from regard.runs.folder import RunFolder

if TYPE_CHECKING:
    from hydra_plugins.regard_launchers.base import RunLauncher


def start(runs: Sequence[RunFolder]) -> int:
    """Start the work of ``runs``; return the largest exit code of their launchers."""
    by_launcher = groupby(runs, key=lambda run: launcher_of(run.config()))
    return max(make_launcher(config).start(list(group)) for config, group in by_launcher)


def check_machine(configs: Iterable[dict[str, Any]]) -> None:
    """Raise UsageError if a launcher would start a run on this machine without the devices that it needs."""
    for config in configs:
        make_launcher(launcher_of(config)).check_machine(config)


def launcher_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return the launcher of a frozen configuration; ``here`` for the configuration of an old run without one."""
    return config.get("launcher", {"_target_": "hydra_plugins.regard_launchers.here.Here"})


def make_launcher(config: dict[str, Any]) -> RunLauncher:
    """Build the launcher that ``config`` describes."""
    launcher: RunLauncher = build(config)
    return launcher
