"""Comparing runs: their order by a metric, what differs between them, and means over seeds. Plain data, no drawing."""

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
    """Mean and sample standard deviation (of n - 1; None of a single value) over ``runs`` runs."""

    mean: float
    deviation: float | None
    runs: int


@dataclass(frozen=True)
class Group:
    """Runs whose configuration differs in nothing but ``seed``; ``aggregates`` are over those that are finished."""

    runs: list[ComparedRun]
    score: Aggregate | None
    aggregates: dict[str, Aggregate]


@dataclass(frozen=True)
class Comparison:
    """Runs, the best first by ``metric`` (its best value, by ``mode``), then those without a value.

    differing: all keys that are not the same in all runs. columns: those of them that tell the runs apart: no places,
    and one only of keys that go together under one name. metrics: the names of all final metrics.
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
        """Its best value of the metric."""
        best = run.best(self.metric, self.mode)
        return None if best is None else best[0]

    def parameters(self) -> list[str]:
        """The columns that may have mattered: not the seed, and not what is recorded."""
        return parameter_keys(self.columns)


def compare(runs: Sequence[ComparedRun], metric: str | None = None, mode: Mode | None = None) -> Comparison:
    """Compare ``runs``, which must be some.

    Without ``metric`` it is that of their search, or of their best checkpoints. Raises UsageError if it was given and
    no run has it.
    """
    if not runs:
        raise UsageError("no run to compare; runs/ holds them by name")
    known = sorted({name for run in runs for name in run.curves})
    if metric is not None and metric not in known:
        there = ", ".join(name for name in known if not name.startswith("attention/")) or "none yet"
        raise UsageError(f"--metric {metric}: no run has measured it; there are: {there}")
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
    """What to compare by, and whether small or large values of it are good.

    By the search that all runs belong to, or by what most runs keep their best checkpoint for, or by its name.
    """
    said: Counter[tuple[str, Mode]] = Counter()
    for run in runs:
        monitor, best_mode = run.config.get("callbacks.best.monitor"), run.config.get("callbacks.best.mode")
        if isinstance(monitor, str) and best_mode in ("min", "max"):
            said[monitor, cast(Mode, best_mode)] += 1
    wishes = [wish for wish, _ in said.most_common()]
    search = common_search([run.folder for run in runs])
    if search is not None and (own := search_objective(search)) is not None:
        wishes = [own, *wishes]
    if metric is None:
        metric = wishes[0][0] if wishes else DEFAULT_METRIC
    by_name: Mode = "min" if any(word in metric.rpartition("/")[2] for word in SMALLER_IS_BETTER) else "max"
    by_wish = next((wish[1] for wish in wishes if wish[0] == metric), by_name)
    return metric, mode or by_wish


def group_by_seed(runs: Sequence[ComparedRun], metric: str, mode: Mode) -> list[Group]:
    """The groups of ``runs`` that differ in nothing but their seed; the best mean first, those without one last."""
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
    """Their mean and sample standard deviation; None of no values, or if one of them is NaN or infinite."""
    if not values or not all(map(math.isfinite, values)):
        return None
    return Aggregate(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def _rank(name: str) -> tuple[int, str]:
    """Test, then validation, then training, then what we do not know."""
    split = name.partition("/")[0]
    order = ("test", "validation", "train")
    return (order.index(split) if split in order else len(order), name)
