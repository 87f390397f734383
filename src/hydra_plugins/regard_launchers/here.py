"""``hydra/launcher=here``: one run after the other, in this terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_plugins.regard_launchers.local import Local

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder


class Here(Local):
    """Runs one run at a time: a single run on one device in this process, all others in subprocesses."""

    def __init__(self) -> None:
        super().__init__(jobs=1)

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do the work; return the exit code of a single run, or 0 if all of several are finished."""
        from regard.runs.resources import single_node_resources

        if len(runs) == 1 and single_node_resources(runs[0].config()).processes == 1:
            from regard.runs.work import work

            return work(runs[0].path)
        return super().start(runs)
