"""Importance of parameters: by Optuna for a search, by explained variance for other runs."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml

from regard.compare.flat_config import canonical_text
from regard.errors import RegardError, one_line
from regard.runs.folder import RunFolder
from regard.runs.parse import load_yaml, parse_file
from regard.runs.sweep import is_search, sweep_of

Mode = Literal["min", "max"]

FEWEST_RUNS = 4
"""Minimum number of runs for a meaningful importance."""

PED_ANOVA = (
    "Optuna's PED-ANOVA over the finished trials (Watanabe et al. 2023): the contribution of a parameter to whether a "
    "trial is among the best by {metric}, the objective of the search. The shares sum to 1."
)
EXPLAINED = (
    "Share of the variance of the metric over the runs that the parameter alone explains, adjusted for its number of "
    "values (adjusted eta squared); 0 is no more than chance. Parameters that vary together explain the same variance."
)


class ParameterImportance(NamedTuple):
    """The importance of each parameter (0 to 1), the method, and the reason why others (or all) are left out."""

    shares: dict[str, float]
    method: str
    left_out: str


def parameter_importance(
    runs: Sequence[RunFolder], columns: Mapping[str, Sequence[Any]], scores: Sequence[float | None]
) -> ParameterImportance:
    """Compute the importance of the parameters ``columns`` (a value per run) for the ``scores`` of the runs.

    If all runs are trials of one search, Optuna computes it from the trials of the search.
    """
    search = common_search(runs)
    return variance_explained(columns, scores) if search is None else search_importance(search)


def common_search(runs: Sequence[RunFolder]) -> Path | None:
    """Return the folder of the search to which all runs belong, or None."""
    folders = {sweep_of(run) for run in runs}
    (folder,) = folders if len(folders) == 1 else (None,)
    return folder if folder is not None and is_search(folder) else None


def search_objective(search: Path) -> tuple[str, Mode] | None:
    """Return the metric and the mode of a search, or None if search.yaml does not have them."""
    try:
        said = parse_file(search / "search.yaml", load_yaml, dict)["search"]
        return str(said["metric"]), "min" if said["direction"] == "minimize" else "max"
    except (RegardError, KeyError, TypeError):
        return None


def search_importance(folder: Path) -> ParameterImportance:
    """Compute the importance by Optuna's PED-ANOVA, which unlike its fANOVA does not need scikit-learn."""
    known = search_objective(folder)
    method = PED_ANOVA.format(metric=known[0] if known else "the metric")
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        return ParameterImportance({}, method, "Optuna is not installed: pip install 'regard[search]'")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the evaluator warns at each call that it is experimental
            study = optuna.load_study(
                study_name="search", storage=JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
            )
            finished = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
            if len(finished) < FEWEST_RUNS:
                return ParameterImportance(
                    {}, method, f"there are {len(finished)} finished trials, and at least {FEWEST_RUNS} are needed"
                )
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (OSError, RuntimeError, ValueError, KeyError, yaml.YAMLError) as error:
        return ParameterImportance({}, method, f"Optuna failed: {one_line(error)}")
    return ParameterImportance({key: float(share) for key, share in shares.items()}, method, "")


def variance_explained(columns: Mapping[str, Sequence[Any]], scores: Sequence[float | None]) -> ParameterImportance:
    """Adjusted eta squared of each column: max(0, 1 - (SS_within / (n - k)) / (SS_total / (n - 1))).

    n is the number of runs with a score, k the number of values of the column. Columns in which every value occurs
    once are left out, as their eta squared is always 1; the result names them.
    """
    chosen = [index for index, score in enumerate(scores) if score is not None and np.isfinite(score)]
    if len(chosen) < FEWEST_RUNS:
        return ParameterImportance(
            {}, EXPLAINED, f"there are {len(chosen)} runs with a score, and at least {FEWEST_RUNS} are needed"
        )
    values = np.array([scores[index] for index in chosen], dtype=np.float64)
    total = float(((values - values.mean()) ** 2).sum())
    if total == 0:
        return ParameterImportance({}, EXPLAINED, "all runs have the same score")
    shares: dict[str, float] = {}
    singular = []
    for key, column in columns.items():
        groups: dict[Hashable, list[float]] = {}
        for index, value in zip(chosen, values, strict=True):
            groups.setdefault(canonical_text(column[index]), []).append(float(value))
        if len(groups) == len(chosen):
            singular.append(key)
        elif len(groups) > 1:
            within = sum(float(((np.array(group) - np.mean(group)) ** 2).sum()) for group in groups.values())
            ratio = (within / (len(chosen) - len(groups))) / (total / (len(chosen) - 1))
            shares[key] = max(0.0, 1 - ratio)
    why = f"every value of {', '.join(singular)} occurs once" if singular else ""
    if not shares and not why:
        why = "no parameter differs between the runs that have a score"
    return ParameterImportance(dict(sorted(shares.items(), key=lambda item: -item[1])), EXPLAINED, why)
