"""A search for good hyperparameters: what it searches through, and the folder in which several workers share it.

Optuna suggests and learns by ask and tell; its journal lies in the folder, beside a run folder for each trial.
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
    """What ``search=`` says: see conf/search.

    metric: of the validation, in metrics.csv; direction: minimize or maximize
    trials: how many, all workers together; workers: how many at a time
    sampler, pruner: Optuna's
    space: for each key of the configuration {low, high, log, step} or {choices}

    Raises UsageError, naming the key, for what is no range and no choice.
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
            raise UsageError("search.space is empty: '+search.space.optimizer.lr={low: 1e-4, high: 1e-2, log: true}'")
        self.metric, self.direction, self.trials, self.workers = metric, direction, trials, workers
        self.sampler, self.pruner = sampler, pruner
        self.space = {key: distribution(key, dict(entry)) for key, entry in entries_by_key(space).items()}

    def study(self, folder: Path) -> optuna.Study:
        """The study in ``folder``, which is made if it is not there."""
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
    """Return the entries of a search space by their dotted keys; Hydra nests ``+search.space.optimizer.lr={...}``."""
    entries: dict[str, Mapping[str, Any]] = {}
    for name, entry in space.items():
        key = f"{path}.{name}" if path else str(name)
        if not isinstance(entry, Mapping):
            raise UsageError(f"search.space.{key}={entry}: give {{low: ..., high: ...}} or {{choices: [...]}}")
        if "low" in entry or "high" in entry or "choices" in entry:
            entries[key] = entry
        else:
            entries |= entries_by_key(entry, key)
    return entries


def distribution(key: str, entry: dict[str, Any]) -> BaseDistribution:
    """Optuna's, of whole numbers if low and high are.

    Raises UsageError if ``entry`` is neither a range nor a choice.
    """
    try:
        if "choices" in entry:
            return CategoricalDistribution(**entry)
        whole = isinstance(entry["low"], int) and isinstance(entry["high"], int)
        return IntDistribution(**entry) if whole else FloatDistribution(**entry)
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(
            f"search.space.{key}={entry}: {error}; give low and high, and log or step if you like, or choices"
        ) from error


def as_overrides(parameters: Mapping[str, Any]) -> list[str]:
    """Parameters as they are given on the command line."""
    return [f"{key}={'null' if value is None else value}" for key, value in parameters.items()]


def extremes(space: Mapping[str, BaseDistribution]) -> list[list[str]]:
    """Overrides of two corners of the space: if it can be composed there, it very likely can within."""
    corners: list[dict[str, Any]] = [{}, {}]
    for key, each in space.items():
        if isinstance(each, CategoricalDistribution):
            low, high = each.choices[0], each.choices[-1]
        elif isinstance(each, (IntDistribution, FloatDistribution)):
            low, high = each.low, each.high
        corners[0][key], corners[1][key] = low, high
    return [as_overrides(corner) for corner in corners]


def best(study: optuna.Study) -> FrozenTrial | None:
    """The best trial that went to its end; None if there is none yet."""
    return study.best_trial if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None


def read(folder: Path) -> dict[str, Any]:
    """search.yaml of a search's folder: ``arguments`` of the command line, ``cwd``, ``search``, ``launcher``, ...."""
    return parse_file(folder / "search.yaml", load_yaml, dict)
