"""``hydra/launcher=here``: one run after the other, in this terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.regard_launchers.composing import Composing

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder
    from regard.runs.resources import Resources


class Here(Composing):
    """A single run on one device works in this process, others in processes of their own."""

    def check(self, config: dict[str, Any]) -> None:
        """Raises UsageError if the run wants several machines."""
        from regard.runs.resources import single_node_resources

        single_node_resources(config)

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do the work; the exit code of a single run, or whether all are finished."""
        from regard.launch.processes import do
        from regard.runs.resources import single_node_resources

        if len(runs) == 1 and single_node_resources(runs[0].config()).processes == 1:
            from regard.runs.work import work

            return work(runs[0].path)
        return do(runs, at_a_time=1)

    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Have processes here work on the search in ``folder``; 0 if they have come to its end."""
        from regard.launch.processes import search

        return search(folder, workers, required)
