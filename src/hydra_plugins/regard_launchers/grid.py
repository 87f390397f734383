"""``hydra/sweeper=grid``: every combination of the values that were given."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class Grid(BasicSweeper):
    """Hydra's own sweeper, which composes all points once to see that they can be, and again to launch them.

    regard's launchers compose all before the first starts, and say which one is wrong.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher."""
