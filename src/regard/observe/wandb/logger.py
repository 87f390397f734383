"""A W&B logger that resumes without gaps or duplicates, and that tolerates failures of W&B."""

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
    """Logs the metrics of a run to W&B, including those in metrics.csv that W&B does not have yet.

    W&B may lose the metrics logged shortly before an attempt was killed, and SIGTERM ends its process at once (W&B
    issue 9963). On resume, the missing values are logged from metrics.csv, each value once. If W&B fails, the run
    continues, with a single warning.
    """

    def __init__(self, options: dict[str, Any], attempt: int, rows: Callable[[], Iterable[dict[str, str]]]) -> None:
        """``options`` are the arguments of wandb.init; ``rows`` reads metrics.csv."""
        super().__init__(experiment=init_run(options, attempt))
        self._options, self._attempt, self._rows = options, attempt, rows
        self._broken = False
        self._defined: set[str] = set()
        self._catch_up()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the values that W&B does not have at this step; values may be images and tables."""
        new = {name: value for name, value in metrics.items() if self._is_new(name, step)}
        self._try(lambda: self._exclude_from_summary([name for name in new if HEAD.fullmatch(name)]))
        if new:
            self._try(lambda: super(ResumableWandbLogger, self).log_metrics(new, step))
        if scores := {name: value for name, value in new.items() if name.startswith(SCORES)}:
            self._try(lambda: self.experiment.summary.update(sortable_names(scores)))

    def add(self, media: Mapping[str, Any], step: int) -> None:
        """Log ``media`` at ``step`` even if W&B has values for it."""
        self._try(lambda: self.experiment.log({**media, STEP: step}))

    def finish(self, summary: dict[str, Any] | None) -> None:
        """End the W&B run; pending data is written to disk, or uploaded within a minute.

        ``summary`` is the content of summary.json, or None if the run failed and may be resumed.
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

    def _exclude_from_summary(self, names: Iterable[str]) -> None:
        """Keep metrics of heads out of the summary: the table of runs shows at most 500 columns.

        Each metric is defined by its full name, since the precedence of overlapping patterns is undefined. Dots are
        escaped, as they denote nested values.
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
        # The last step may be incomplete, if a validation was interrupted.
        self._seen.setdefault(self._seen_until, set()).update(
            name for row in rows if int(row["step"]) == self._seen_until for name in row
        )
        for row in rows:
            values = {name: float(value) for name, value in row.items() if name != "step"}
            self.log_metrics(values, int(row["step"]))

    def _is_new(self, name: str, step: int | None) -> bool:
        """Return whether W&B does not have ``name`` at this step, and mark it as logged."""
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
                f"W&B failed ({type(error).__name__}); all metrics are in metrics.csv, and are logged to W&B when the "
                "run ends or is resumed",
                stacklevel=2,
            )


def init_run(options: dict[str, Any], attempt: int) -> Run:
    """Start or resume the W&B run; offline, with a warning, if W&B cannot be reached."""
    try:
        run = wandb.init(**options)
    except (wandb.errors.Error, OSError) as error:
        if options["mode"] != "online":
            raise
        reason = one_line(error)
        warnings.warn(
            f"W&B cannot be reached ({reason}): logging offline; upload later with `wandb sync`", stacklevel=2
        )
        wandb.teardown()
        run = wandb.init(**options | {"mode": "offline"})
    run.summary["attempt"] = attempt
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def sortable_names(values: Mapping[str, float]) -> dict[str, float]:
    """Rename values to letters, digits and underscores; W&B cannot sort or filter by other names.

    https://docs.wandb.ai/support/models/articles/why-cant-i-sort-or-filter-metrics-with-c
    """
    return {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in values.items()}


def summary_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of summary.json that are useful columns of the table of runs."""
    facts = {
        name: summary[name] for name in ("parameters", "tokens_per_second", "seconds") if summary[name] is not None
    }
    facts |= {name: value for name, value in summary["metrics"].items() if name.startswith(SCORES)}
    if best := summary["best"]:
        facts[f"best_{best['monitor']}"] = best["value"]
    return sortable_names(facts)


def logged_metrics(run: Run) -> tuple[int, dict[int, set[str]]]:
    """Return a step before which W&B has all metrics, and the names of metrics by step for other steps.

    Online, the server knows the last step. Offline, the files of earlier attempts are read.
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
