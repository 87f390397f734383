"""Having the work of run folders done by the launcher that their configuration names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from regard.instantiate import build
from regard.runs.folder import RunFolder
from regard.runs.resources import Resources


class Launcher(Protocol):
    """Where work is done: ``hydra/launcher=NAME``."""

    def check(self, config: dict[str, Any]) -> None:
        """Raises UsageError if this launcher cannot start a run with ``config``."""

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do, or have done, the work of ``runs``; the exit code."""

    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Have ``workers`` work on the search in ``folder``, whose trials want so much each; the exit code."""


def start(runs: Sequence[RunFolder]) -> int:
    """Have the work of ``runs`` done; the exit code, 0 if all is well."""
    by_launcher = groupby(runs, key=lambda run: launcher_of(run.config()))
    return max(make_launcher(config).start(list(group)) for config, group in by_launcher)


def launcher_of(config: dict[str, Any]) -> dict[str, Any]:
    """The launcher of a frozen configuration; of one from before there were any, this terminal."""
    return config.get("launcher", {"_target_": "hydra_plugins.regard_launchers.here.Here"})


def make_launcher(config: dict[str, Any]) -> Launcher:
    """The launcher that ``config`` describes; `regard.config.check` has seen that it fits."""
    launcher: Launcher = build(config)
    return launcher
