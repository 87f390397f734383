"""Compare runs: order by a metric, differing keys, and means over seeds."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from regard.compare.keys import differing_keys, distinguishing_keys, parameter_keys, without_seed
from regard.compare.parameter_importance import (
    Mode,
    ParameterImportance,
    common_search,
    parameter_importance,
    search_objective,
)
from regard.compare.run import ComparedRun
from regard.errors import UsageError

DEFAULT_METRIC = "validation/loss"
SMALLER_IS_BETTER = ("loss", "perplexity", "bits_per_byte", "error", "entropy", "seconds", "memory", "norm")


class Aggregate(NamedTuple):
    """Mean and sample standard deviation (n - 1; None for a single value) over ``runs`` runs."""

    mean: float
    deviation: float | None
    runs: int


@dataclass(frozen=True)
class Group:
    """Runs with the same configuration except ``seed``; score and aggregates are over the finished ones."""

    runs: list[ComparedRun]
    score: Aggregate | None
    aggregates: dict[str, Aggregate]


@dataclass(frozen=True)
class Comparison:
    """Runs sorted by the best value of ``metric``, best first; runs without a value are last.

    differing: all keys whose value is not the same in all runs
    columns: the keys that distinguish the runs (see `distinguishing_keys`)
    metrics: the names of all final metrics
    """

    runs: list[ComparedRun]
    metric: str
    mode: Mode
    differing: list[str]
    columns: list[str]
    metrics: list[str]
    groups: list[Group]
    importance: ParameterImportance

    def score(self, run: ComparedRun) -> float | None:
        """Return the best value of the metric."""
        best = run.best(self.metric, self.mode)
        return None if best is None else best[0]

    def parameters(self) -> list[str]:
        """Return the columns that may affect the score (see `parameter_keys`)."""
        return parameter_keys(self.columns)


def compare(runs: Sequence[ComparedRun], metric: str | None = None, mode: Mode | None = None) -> Comparison:
    """Compare ``runs``, at least one.

    The default of ``metric`` is the objective of their search, or the metric of their best checkpoints. Raises
    UsageError if no run has ``metric``.
    """
    if not runs:
        raise UsageError("no run to compare; expected run folders, for example runs/*/*")
    known = sorted({name for run in runs for name in run.curves})
    if metric is not None and metric not in known:
        measured = ", ".join(name for name in known if not name.startswith("attention/")) or "none"
        raise UsageError(f"--metric {metric}: no run has this metric; expected one of {measured}")
    metric, mode = choose_metric(runs, metric, mode)

    def order(run: ComparedRun) -> tuple[bool, float]:
        best = run.best(metric, mode)
        return (True, 0.0) if best is None else (False, best[0] if mode == "min" else -best[0])

    ranked = sorted(runs, key=order)
    differing = differing_keys(ranked)
    columns = distinguishing_keys(ranked, differing)
    scores = [None if (best := run.best(metric, mode)) is None else best[0] for run in ranked]
    values = {key: [run.config.get(key) for run in ranked] for key in parameter_keys(columns)}
    return Comparison(
        runs=ranked,
        metric=metric,
        mode=mode,
        differing=differing,
        columns=columns,
        metrics=sorted({name for run in ranked for name in run.curves if not name.startswith("attention/")}, key=_rank),
        groups=group_by_seed(ranked, metric, mode),
        importance=parameter_importance([run.folder for run in ranked], values, scores),
    )


def choose_metric(runs: Sequence[ComparedRun], metric: str | None, mode: Mode | None) -> tuple[str, Mode]:
    """Return the metric to compare by, and whether small or large values are better.

    Defaults, by priority: the objective of the search of all runs, the metric of the best checkpoint of most runs, and
    for the mode, the name of the metric.
    """
    monitored: Counter[tuple[str, Mode]] = Counter()
    for run in runs:
        monitor, best_mode = run.config.get("callbacks.best.monitor"), run.config.get("callbacks.best.mode")
        if isinstance(monitor, str) and best_mode in ("min", "max"):
            monitored[monitor, cast(Mode, best_mode)] += 1
    preferred = [monitor for monitor, _ in monitored.most_common()]
    search = common_search([run.folder for run in runs])
    if search is not None and (searched := search_objective(search)) is not None:
        preferred = [searched, *preferred]
    if metric is None:
        metric = preferred[0][0] if preferred else DEFAULT_METRIC
    by_name: Mode = "min" if any(word in metric.rpartition("/")[2] for word in SMALLER_IS_BETTER) else "max"
    default = next((each for name, each in preferred if name == metric), by_name)
    return metric, mode or default


def group_by_seed(runs: Sequence[ComparedRun], metric: str, mode: Mode) -> list[Group]:
    """Group runs with the same configuration except the seed; best mean first, groups without a mean last."""
    groups: dict[str, list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault(without_seed(run.config), []).append(run)
    found = []
    for members in groups.values():
        finished = [run for run in members if run.state == "finished"]
        scores = [best[0] for run in finished if (best := run.best(metric, mode)) is not None]
        finals: dict[str, list[float]] = {}
        for run in finished:
            for name, value in run.final.items():
                finals.setdefault(name, []).append(value)
        aggregates = {name: result for name, values in finals.items() if (result := aggregate(values)) is not None}
        found.append(Group(members, aggregate(scores), aggregates))
    sign = 1 if mode == "min" else -1
    return sorted(found, key=lambda group: (group.score is None, sign * group.score.mean if group.score else 0.0))


def aggregate(values: Sequence[float]) -> Aggregate | None:
    """Return mean and sample standard deviation; None without values, or if a value is NaN or infinite."""
    if not values or not all(map(math.isfinite, values)):
        return None
    return Aggregate(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def _rank(name: str) -> tuple[int, str]:
    """Sort key: test, validation, training, then other metrics."""
    split = name.partition("/")[0]
    order = ("test", "validation", "train")
    return (order.index(split) if split in order else len(order), name)
