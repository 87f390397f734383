"""What the launchers share: Hydra's part, which is to compose the points of a sweep and no more."""

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


class Composing(Launcher):
    """Composes every point and shows it to the task function, in this process.

    ``regard train`` collects, checks and freezes all of them, and then has its launcher ``start`` the runs.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what composing needs."""
        self._context, self._take, self._config = hydra_context, task_function, config
        self._composed: dict[tuple[str | None, ...], DictConfig] = {}
        self._groups: dict[str, bool] = {}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose the points, one a list of overrides."""
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
            self._take(task)
            done.append(JobReturn(overrides=overrides, cfg=task, status=JobStatus.COMPLETED))
        return done

    def _compose(self, overrides: list[str]) -> DictConfig:
        """As Hydra does, but points that differ in plain values alone are composed once, and then given their values.

        Choosing files and merging them takes a quarter of a second; a sweep may have hundreds of points.
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
            # Hydra has sorted them into its own and the task's.
            config.hydra.overrides.task = [o for o in overrides if not o.lstrip("+~").startswith("hydra")]
        return config

    def _is_plain(self, override: Override) -> bool:
        """Whether it gives a key of a composed configuration another number, word or list."""
        name = override.key_or_group
        if name not in self._groups:
            self._groups[name] = bool(self._context.config_loader.get_group_options(name))
        changes = override.type is OverrideType.CHANGE and not name.startswith("hydra.")
        return changes and not self._groups[name] and not isinstance(override.value(), dict)

    @abstractmethod
    def check(self, config: dict[str, Any]) -> None:
        """Raises UsageError if this launcher cannot start a run with ``config``."""

    @abstractmethod
    def start(self, runs: Sequence[RunFolder]) -> int:
        """Do, or have done, the work of ``runs``; the exit code."""

    @abstractmethod
    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Have ``workers`` work on the search in ``folder``, whose trials want so much each; the exit code."""
