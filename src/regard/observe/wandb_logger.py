"""Logging a run to W&B, whatever happens to W&B."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from wandb import Run

from regard.observe.wandb_file import history

STEP = "trainer/global_step"


class Dashboard(WandbLogger):
    """Logs a run folder's run to W&B: what is in metrics.csv and not there yet, and what comes.

    W&B may miss what was logged shortly before an attempt was killed, and a cluster's SIGTERM ends its process at once
    (its issue 9963). metrics.csv has it all, so W&B is told it when the run goes on, and no value twice. A run does not
    fail because W&B does: that is warned of, once.
    """

    def __init__(self, options: dict[str, Any], attempt: int, rows: Callable[[], Iterable[dict[str, str]]]) -> None:
        """``options`` are those of wandb.init; ``rows`` reads metrics.csv."""
        super().__init__(experiment=connect(options, attempt))
        self._options, self._attempt, self._rows = options, attempt, rows
        self._broken = False
        self._catch_up()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what W&B has not seen at this step; images and tables come this way too."""
        new = {name: value for name, value in metrics.items() if self._is_new(name, step)}
        if new:
            self._try(lambda: super(Dashboard, self).log_metrics(new, step))

    def finish(self, failed: bool) -> None:
        """End the W&B run: what is pending is written, or uploaded within a minute. A failed one may go on later."""
        if self._broken and not failed:
            with suppress(Exception):
                wandb.teardown()
            self._broken = False
            self._try(self._connect_again)
        self._try(lambda: self.experiment.finish(exit_code=int(failed)))
        if self._broken:
            with suppress(Exception):
                wandb.teardown()

    def _connect_again(self) -> None:
        self._experiment = connect(self._options, self._attempt)
        self._catch_up()

    def _catch_up(self) -> None:
        self._seen_until, self._seen = seen_by(self.experiment)
        for row in self._rows():
            values = {name: float(value) for name, value in row.items() if name != "step"}
            self.log_metrics(values, int(row["step"]))

    def _is_new(self, name: str, step: int | None) -> bool:
        """Whether W&B has not seen ``name`` at this step; now it will have."""
        if step is None:
            return True
        seen = self._seen.setdefault(step, set())
        known = step <= self._seen_until or name in seen
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


def connect(options: dict[str, Any], attempt: int) -> Run:
    """Begin the W&B run, or go on with it; offline, with a warning, if W&B cannot be reached."""
    try:
        run = wandb.init(**options)
    except (wandb.errors.Error, OSError) as error:
        if options["mode"] != "online":
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:120]
        warnings.warn(f"W&B cannot be reached ({reason}): logging offline, `wandb sync` uploads it", stacklevel=2)
        wandb.teardown()
        run = wandb.init(**options | {"mode": "offline"})
    run.summary["attempt"] = attempt
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def seen_by(run: Run) -> tuple[int, dict[int, set[str]]]:
    """What W&B has of ``run``: all up to a step, and the names logged at others.

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
