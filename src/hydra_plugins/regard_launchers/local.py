"""``hydra/launcher=local``: several runs at a time on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.regard_launchers.base import RunLauncher

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder
    from regard.runs.resources import Resources


class Local(RunLauncher):
    """Runs ``jobs`` runs at a time in subprocesses, which share the processors and GPUs of this machine."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def check(self, config: dict[str, Any]) -> None:
        """Raise UsageError if the run needs several nodes."""
        from regard.runs.resources import single_node_resources

        single_node_resources(config)

    def check_machine(self, config: dict[str, Any]) -> None:
        """Raise UsageError if the run needs more GPUs than this machine has."""
        from regard.launch.processes import require_gpus

        require_gpus(config)

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do the work; return the exit code of a single run, or 0 if all of several are finished."""
        from regard.launch.processes import run_all

        return run_all(runs, self.jobs)

    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Start the workers as subprocesses; return 0 if the search has ended."""
        from regard.launch.processes import run_search

        return run_search(folder, workers, required)
