"""Base class of the launchers: composes the points of a sweep for Hydra, and starts frozen runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy, deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder
    from regard.runs.resources import Resources


class RunLauncher(Launcher):
    """A launcher whose Hydra part, ``launch``, only composes the points and passes them to the task function.

    ``regard train`` collects, checks and freezes all points, and then calls ``start`` with their run folders.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's context, task function and configuration."""
        self._context, self._task_function, self._config = hydra_context, task_function, config
        self._composed: dict[tuple[str | None, ...], DictConfig] = {}
        self._is_group: dict[str, bool] = {}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose the points and pass each to the task function; ``job_overrides`` has the overrides of each point."""
        from regard.config.compose import PointFailed

        done, points = [], [list(overrides) for overrides in job_overrides]
        for number, overrides in enumerate(points):
            try:
                config = self._compose(overrides)
            except Exception as error:
                raise PointFailed(number, points, error) from error
            with open_dict(config):
                config.hydra.job.num = config.hydra.job.id = initial_job_idx + number
            HydraConfig.instance().set_config(config)
            task = copy(config)
            with open_dict(task):
                del task["hydra"]
            self._task_function(task)
            done.append(JobReturn(overrides=overrides, cfg=task, status=JobStatus.COMPLETED))
        return done

    def _compose(self, overrides: list[str]) -> DictConfig:
        """Compose a point as Hydra does. Points that differ only in plain values share one composition.

        Composing takes 0.25 s, and a sweep may have hundreds of points.
        """
        loader = self._context.config_loader
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
        values = [override for override in parsed if self._is_plain(override)]
        rest = [override.input_line for override in parsed if override not in values]
        kind = (*rest, *(override.key_or_group for override in values))
        if kind not in self._composed:
            self._composed[kind] = loader.load_sweep_config(self._config, overrides)
        config = deepcopy(self._composed[kind])
        for override in values:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=False)
        with read_write(config.hydra), open_dict(config.hydra):
            # The copy has the overrides of the point that was composed. Hydra lists overrides of hydra.* separately.
            config.hydra.overrides.task = [o for o in overrides if not o.lstrip("+~").startswith("hydra")]
        return config

    def _is_plain(self, override: Override) -> bool:
        """Return whether ``override`` only replaces the value of an existing key by a number, text or list."""
        name = override.key_or_group
        if name not in self._is_group:
            self._is_group[name] = bool(self._context.config_loader.get_group_options(name))
        changes = override.type is OverrideType.CHANGE and not name.startswith("hydra.")
        return changes and not self._is_group[name] and not isinstance(override.value(), dict)

    @abstractmethod
    def check(self, config: dict[str, Any]) -> None:
        """Raise UsageError if this launcher cannot start a run with ``config``."""

    def check_machine(self, config: dict[str, Any]) -> None:
        """Raise UsageError if a run with ``config`` needs a device that this machine, which would run it, lacks.

        Called before a run folder is created or changed. Jobs of a cluster run on other machines: nothing to check.
        """

    @abstractmethod
    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do the work of ``runs``, or submit it to SLURM; return the exit code."""

    @abstractmethod
    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Start the workers of the search in ``folder``; return the exit code. ``required``: resources of a trial."""
