"""Logging a run to W&B, whatever happens to W&B."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from wandb import Run

from regard.errors import one_line
from regard.observe.wandb.offline_file import history

STEP = "trainer/global_step"
SCORES = ("validation/", "test/")
HEAD = re.compile(r"attention/[^/]+/\w+/\d+")


class ResumableWandbLogger(WandbLogger):
    """Logs a run folder's run to W&B: what is in metrics.csv and not there yet, and what comes.

    W&B may miss what was logged shortly before an attempt was killed, and a cluster's SIGTERM ends its process at once
    (its issue 9963). metrics.csv has it all, so W&B is told it when the run goes on, and no value twice. A run does not
    fail because W&B does: that is warned of, once.
    """

    def __init__(self, options: dict[str, Any], attempt: int, rows: Callable[[], Iterable[dict[str, str]]]) -> None:
        """``options`` are those of wandb.init; ``rows`` reads metrics.csv."""
        super().__init__(experiment=init_run(options, attempt))
        self._options, self._attempt, self._rows = options, attempt, rows
        self._broken = False
        self._defined: set[str] = set()
        self._catch_up()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what W&B has not seen at this step; images and tables come this way too."""
        new = {name: value for name, value in metrics.items() if self._is_new(name, step)}
        self._try(lambda: self._keep_out_of_the_summary([name for name in new if HEAD.fullmatch(name)]))
        if new:
            self._try(lambda: super(ResumableWandbLogger, self).log_metrics(new, step))
        if scores := {name: value for name, value in new.items() if name.startswith(SCORES)}:
            self._try(lambda: self.experiment.summary.update(sortable_names(scores)))

    def add(self, media: Mapping[str, Any], step: int) -> None:
        """Log ``media`` at ``step``, whatever W&B has there."""
        self._try(lambda: self.experiment.log({**media, STEP: step}))

    def finish(self, summary: dict[str, Any] | None) -> None:
        """End the W&B run: what is pending is written, or uploaded within a minute.

        ``summary`` is that of summary.json; without one the run has failed, and may go on later.
        """
        if self._broken and summary is not None:
            with suppress(Exception):
                wandb.teardown()
            self._broken = False
            self._try(self._connect_again)
        if summary is not None:
            self._try(lambda: self.experiment.summary.update(summary_values(summary)))
        self._try(lambda: self.experiment.finish(exit_code=int(summary is None)))
        if self._broken:
            with suppress(Exception):
                wandb.teardown()

    def _keep_out_of_the_summary(self, names: Iterable[str]) -> None:
        """W&B's table of runs shows 500 columns, which the heads would fill.

        Each by its name, since of two patterns that fit either may win; a dot would mean a nested value.
        """
        for name in set(names) - self._defined:
            self._defined.add(name)
            self.experiment.define_metric(name.replace(".", r"\."), STEP, step_sync=True, summary="none")

    def _connect_again(self) -> None:
        self._defined = set()
        self._experiment = init_run(self._options, self._attempt)
        self._catch_up()

    def _catch_up(self) -> None:
        self._seen_until, self._seen = logged_metrics(self.experiment)
        rows = list(self._rows())
        # Of that step itself there may be more to come: a validation that was cut short.
        self._seen.setdefault(self._seen_until, set()).update(
            name for row in rows if int(row["step"]) == self._seen_until for name in row
        )
        for row in rows:
            values = {name: float(value) for name, value in row.items() if name != "step"}
            self.log_metrics(values, int(row["step"]))

    def _is_new(self, name: str, step: int | None) -> bool:
        """Whether W&B has not seen ``name`` at this step; now it will have."""
        if step is None:
            return True
        seen = self._seen.setdefault(step, set())
        known = step < self._seen_until or name in seen
        seen.add(name)
        return not known

    def _try(self, call: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            call()
        except Exception as error:
            self._broken = True
            warnings.warn(
                f"W&B's process is gone ({type(error).__name__}); metrics.csv has it all, and W&B is told when the run "
                "ends or goes on",
                stacklevel=2,
            )


def init_run(options: dict[str, Any], attempt: int) -> Run:
    """Begin the W&B run, or go on with it; offline, with a warning, if W&B cannot be reached."""
    try:
        run = wandb.init(**options)
    except (wandb.errors.Error, OSError) as error:
        if options["mode"] != "online":
            raise
        warnings.warn(
            f"W&B cannot be reached ({one_line(error)}): logging offline, `wandb sync` uploads it", stacklevel=2
        )
        wandb.teardown()
        run = wandb.init(**options | {"mode": "offline"})
    run.summary["attempt"] = attempt
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def sortable_names(values: Mapping[str, float]) -> dict[str, float]:
    """Values under names that W&B's tables can sort and filter by: letters, digits and underscores.

    https://docs.wandb.ai/support/models/articles/why-cant-i-sort-or-filter-metrics-with-c
    """
    return {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in values.items()}


def summary_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """What a table of runs is sorted by, of the content of summary.json."""
    facts = {
        name: summary[name] for name in ("parameters", "tokens_per_second", "seconds") if summary[name] is not None
    }
    facts |= {name: value for name, value in summary["metrics"].items() if name.startswith(SCORES)}
    if best := summary["best"]:
        facts[f"best_{best['monitor']}"] = best["value"]
    return sortable_names(facts)


def logged_metrics(run: Run) -> tuple[int, dict[int, set[str]]]:
    """What W&B has of ``run``: all before a step, and the names logged at others.

    Online its server knows the last step; offline the files of earlier attempts are read, those that were online too.
    """
    if not run.offline:
        last = run.summary.get(STEP)
        return -1 if last is None else int(last), {}
    seen: dict[int, set[str]] = {}
    for path in Path(run.dir).parents[1].glob(f"*run-*-{run.id}/*.wandb"):
        for logged in history(path):
            if STEP in logged:
                seen.setdefault(int(logged[STEP]), set()).update(name.removesuffix("/_type") for name in logged)
    return -1, seen
