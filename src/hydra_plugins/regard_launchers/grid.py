"""``hydra/sweeper=grid``: every combination of the given values."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class Grid(BasicSweeper):
    """Hydra's basic sweeper without its validation, which composes every point once more before the launch.

    The launchers of regard compose all points before the first run starts, and report which point is invalid.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Do nothing: the launcher validates the points."""
