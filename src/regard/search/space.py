"""A hyperparameter search: its space, and the Optuna study in its folder, which several workers share.

Workers use Optuna's ask-and-tell interface. Its journal is in the folder of the search, next to the run folder of each
trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from regard.errors import UsageError
from regard.runs.parse import load_yaml, parse_file


class Search:
    """The settings of a search: see conf/search.

    metric: a validation column of metrics.csv; direction: minimize or maximize
    trials: total number of trials of all workers; workers: number of concurrent trials
    sampler, pruner: Optuna objects
    space: {low, high, log, step} or {choices} for each key of the configuration

    Raises UsageError, naming the key, for an entry of the space that is neither a range nor a list of choices.
    """

    def __init__(
        self,
        metric: str,
        direction: str,
        trials: int,
        workers: int,
        sampler: optuna.samplers.BaseSampler,
        pruner: optuna.pruners.BasePruner,
        space: Mapping[str, Mapping[str, Any]],
    ) -> None:
        if not space:
            raise UsageError(
                "search.space is empty: add a key, such as '+search.space.optimizer.lr={low: 1e-4, high: 1e-2}'"
            )
        self.metric, self.direction, self.trials, self.workers = metric, direction, trials, workers
        self.sampler, self.pruner = sampler, pruner
        self.space = {key: distribution(key, dict(entry)) for key, entry in entries_by_key(space).items()}

    def study(self, folder: Path) -> optuna.Study:
        """Return the study in ``folder``; it is created if it does not exist."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / "optuna.journal"))),
            study_name="search",
            sampler=self.sampler,
            pruner=self.pruner,
            direction=optuna.study.StudyDirection[self.direction.upper()],
            load_if_exists=True,
        )


def entries_by_key(space: Mapping[str, Any], path: str = "") -> dict[str, Mapping[str, Any]]:
    """Return the entries of a search space by dotted key. Hydra nests ``+search.space.optimizer.lr={...}``."""
    entries: dict[str, Mapping[str, Any]] = {}
    for name, entry in space.items():
        key = f"{path}.{name}" if path else str(name)
        if not isinstance(entry, Mapping):
            raise UsageError(f"search.space.{key}={entry}: expected {{low: ..., high: ...}} or {{choices: [...]}}")
        if "low" in entry or "high" in entry or "choices" in entry:
            entries[key] = entry
        else:
            entries |= entries_by_key(entry, key)
    return entries


def distribution(key: str, entry: dict[str, Any]) -> BaseDistribution:
    """Return the Optuna distribution of an entry: an integer distribution if both low and high are integers.

    Raises UsageError if ``entry`` is neither a range nor a list of choices.
    """
    try:
        if "choices" in entry:
            return CategoricalDistribution(**entry)
        integers = isinstance(entry["low"], int) and isinstance(entry["high"], int)
        return IntDistribution(**entry) if integers else FloatDistribution(**entry)
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(
            f"search.space.{key}={entry}: {error}; expected low and high, optionally log or step, or choices"
        ) from error


def as_overrides(parameters: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a trial as command line overrides."""
    return [f"{key}={'null' if value is None else value}" for key, value in parameters.items()]


def corners(space: Mapping[str, BaseDistribution]) -> list[list[str]]:
    """Return the overrides of the lowest and the highest corner of the space.

    If both can be composed, every point between them very probably can be.
    """
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    for key, each in space.items():
        if isinstance(each, CategoricalDistribution):
            lowest[key], highest[key] = each.choices[0], each.choices[-1]
        elif isinstance(each, (IntDistribution, FloatDistribution)):
            lowest[key], highest[key] = each.low, each.high
    return [as_overrides(corner) for corner in (lowest, highest)]


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the best finished trial; None if there is none yet."""
    return study.best_trial if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None


def read(folder: Path) -> dict[str, Any]:
    """Return the content of search.yaml: ``arguments`` of the command line, ``cwd``, ``search``, ``launcher``, ..."""
    return parse_file(folder / "search.yaml", load_yaml, dict)
