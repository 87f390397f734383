"""``hydra/launcher=local``: several runs at a time, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.regard_launchers.composing import Composing

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder
    from regard.runs.resources import Resources


class Local(Composing):
    """``jobs`` runs at a time, which share this machine's processors and GPUs out among them."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def check(self, config: dict[str, Any]) -> None:
        """Raises UsageError if the run wants several machines."""
        from regard.runs.resources import single_node_resources

        single_node_resources(config)

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do the work; the exit code of a single run, or whether all are finished."""
        from regard.launch.processes import do

        return do(runs, self.jobs)

    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Have processes here work on the search in ``folder``; 0 if they have come to its end."""
        from regard.launch.processes import search

        return search(folder, workers, required)
