"""Progress of a run: a bar in a terminal, otherwise a line every ``LINE_SECONDS``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from regard.data.prepare.progress import Progress, ProgressLines
from regard.training.callbacks.metrics import MetricsLogger
from regard.training.task import Task

LINE_SECONDS = 15


class ProgressReport(pl.Callback):
    """Shows the step, the loss, the speed and the validation scores on rank 0."""

    def __init__(self, console: Console, metrics_logger: MetricsLogger) -> None:
        self.console, self.metrics_logger = console, metrics_logger
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        self.bar = Bar(
            *columns,
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._last_line, self._unit = 0.0, "tokens"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the bar."""
        if isinstance(pl_module, Task):
            self._unit = pl_module.objective.unit
        if trainer.is_global_zero:
            self._train = self.bar.add_task(
                "training", total=trainer.max_steps, completed=trainer.global_step, facts=""
            )
            if self.console.is_terminal:
                self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the bar, or print a line."""
        if not trainer.is_global_zero:
            return
        self.bar.update(self._train, completed=trainer.global_step, facts=self._facts())
        if not self.console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            say(self.console, f"step {trainer.global_step}/{trainer.max_steps}  {self._facts()}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the validation scores."""
        if trainer.is_global_zero and trainer.state.fn == "fit":
            values = {
                name.removeprefix("validation/"): f"{float(value):.4g}"
                for name, value in trainer.callback_metrics.items()
                if name.startswith("validation/")
            }
            scores = "  ".join(f"{name} {value}" for name, value in values.items())
            say(self.console, f"step {trainer.global_step}  validation: {scores}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the bar."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop the bar."""
        self.bar.stop()

    def _facts(self) -> str:
        latest = self.metrics_logger.latest
        if "train/loss" not in latest:
            return ""
        return f"loss {latest['train/loss']:.3f}  {latest['train/tokens_per_second']:,.0f} {self._unit}/s"


@contextmanager
def preparing(console: Console) -> Iterator[Progress]:
    """Yield the function that shows the progress of preparing a corpus."""
    if not console.is_terminal:
        yield ProgressLines(partial(say, console))
        return
    count = TextColumn("{task.completed:,} {task.fields[of]}")
    with Bar(TextColumn("{task.description}"), BarColumn(), count, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(activity: str, done: int, total: int | None) -> None:
            if activity not in tasks:
                tasks[activity] = bar.add_task(activity, total=total, of=f"of {total:,}" if total is not None else "")
            bar.update(tasks[activity], completed=done)

        yield show


def say(console: Console, text: str) -> None:
    """Print a line and log it. A running bar is moved below it."""
    logging.getLogger("regard").info(text)
    console.print(text, highlight=False, markup=False, soft_wrap=True)
