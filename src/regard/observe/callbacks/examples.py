"""Select the examples whose attention is recorded during training."""

from __future__ import annotations

from collections.abc import Sequence

from regard.training.scorers.scorer import ProbeExample
from regard.training.task import Task


class ExampleSelector:
    """Selects examples of at most ``longest`` tokens: fixed ones, and the extremes of each validation.

    The scorer of the task finds and rates them (`regard.training.scorers.scorer.Scorer`).

    given: the user's own texts, which are always selected, of any length
    first: number of examples from the start of the validation part
    extremes: number of worst examples, and of best examples
    """

    def __init__(self, given: Sequence[str], first: int, extremes: int, longest: int) -> None:
        self.given, self.first, self.extremes, self.longest = list(given), first, extremes, longest

    def select_fixed(self, task: Task) -> list[ProbeExample]:
        """Select the examples that are the same in every validation."""
        given = task.scorer.given_examples(task, self.given)
        if not self.first and not self.extremes:
            return given
        return [*given, *task.scorer.fixed_examples(task, self.first, self.longest)]

    def select_extremes(self, task: Task, fixed: Sequence[ProbeExample]) -> list[ProbeExample]:
        """Select the worst and the best examples of the latest validation, except the ``fixed`` ones."""
        if not self.extremes:
            return []
        known = {each.key for each in fixed}
        rated = task.scorer.rated_examples(task, self.longest)
        scored = sorted((each for each in rated if each[1].key not in known), key=lambda each: each[0])
        worst = scored[: self.extremes]
        best = scored[len(worst) :][::-1][: self.extremes]
        return [
            *(each._replace(reason=f"worst, {each.reason}") for _, each in worst),
            *(each._replace(reason=f"best, {each.reason}") for _, each in best),
        ]
