"""Logging of all scalars to metrics.csv and the loggers."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.errors import RegardError
from regard.machine import peak_resident_memory
from regard.training.callbacks.metrics_file import MetricsFile, Row


class MetricsLogger(pl.Callback):
    """Writes metrics to metrics.csv and the loggers, and stops a run whose loss is not finite.

    Training metrics are written every ``every_n_steps`` optimizer steps, metrics of a split after its evaluation. This
    is done before checkpoints are written, so that the row of a step exists before its checkpoint. ``train/tokens`` is
    the number of target tokens of all steps so far, and ``train/seconds`` the time they took, without validations. Both
    continue over the attempts of a run.
    """

    def __init__(self, file: MetricsFile, every_n_steps: int) -> None:
        self.file, self.every_n_steps = file, every_n_steps
        self.latest: Row = {}
        self._step, self._tokens, self._since = 0, 0, time.monotonic()
        self._loss: Tensor | None = None
        self._finite: Tensor | None = None
        self._gradient_norm: Tensor | None = None
        self._learning_rate = 0.0
        self._totals: dict[str, float] | None = None  # tokens and seconds since step 0; None if they are not known
        self._clock = time.monotonic()

    @property
    def state_key(self) -> str:
        """Key of the state in checkpoints: the name that this class had until regard 0.2."""
        return "Journal"

    def state_dict(self) -> dict[str, Any]:
        """Return the tokens and seconds up to the step of the checkpoint."""
        return dict(self._totals or {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the tokens and seconds. Checkpoints of old versions do not contain them."""
        self._totals = dict(state_dict) or None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start at the step of the checkpoint, and remove later rows, which will be measured again."""
        self._step, self._since = trainer.global_step, time.monotonic()
        self._clock = self._since
        if trainer.global_step == 0:
            self._totals = {"tokens": 0, "seconds": 0.0}
        self._finite = torch.ones((), dtype=torch.bool, device=pl_module.device)
        if trainer.is_global_zero:
            self.file.drop_after(trainer.global_step)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Store the learning rate and the gradient norm before clipping, if this step will be logged.

        After the step, the schedule has already set the learning rate of the next step.
        """
        if (trainer.global_step + 1) % self.every_n_steps == 0:
            self._learning_rate = float(optimizer.param_groups[0]["lr"])
            gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self._gradient_norm = torch.nn.utils.get_total_norm(gradients)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Add the share of the batch to the loss of the step, and log it if it is due."""
        share: Tensor = outputs["share"]
        self._loss = share if self._loss is None else self._loss + share
        if trainer.global_step == self._step:
            return  # still accumulating
        self._step = trainer.global_step
        self._tokens += batch.step_tokens
        now = time.monotonic()
        if self._totals is not None:
            self._totals["tokens"] += batch.step_tokens
            self._totals["seconds"] += now - self._clock
        self._clock = now
        self._finite = self._loss.isfinite() if self._finite is None else self._finite & self._loss.isfinite()
        if self._step % self.every_n_steps == 0:
            self._log_training(trainer)
        self._loss = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop before a validation, and its best checkpoint, if the loss is not finite."""
        self._check_finite()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the validation metrics, and exclude the time of the validation from the training speed."""
        if trainer.state.fn == "fit":
            self.write(trainer, _metrics_of(trainer, "validation"))
            self._tokens, self._since = 0, time.monotonic()
            self._clock = self._since

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the test metrics."""
        self.write(trainer, _metrics_of(trainer, "test"))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Stop before a checkpoint is saved if the loss is not finite."""
        self._check_finite()

    def write(self, trainer: pl.Trainer, values: Row) -> None:
        """Write ``values`` at the present step. ``latest`` has the latest value of each name."""
        self.latest.update(values)
        if trainer.is_global_zero:
            self.file.write(trainer.global_step, values)
            for logger in trainer.loggers:
                logger.log_metrics(values, step=trainer.global_step)

    def _log_training(self, trainer: pl.Trainer) -> None:
        assert self._loss is not None
        loss = self._loss.clone()
        if trainer.world_size > 1:
            torch.distributed.all_reduce(loss)
        now = time.monotonic()
        values = {
            "train/loss": loss.item(),
            "train/learning_rate": self._learning_rate,
            "train/tokens_per_second": self._tokens / max(now - self._since, 1e-9),
            "train/memory_gib": peak_memory_gib(trainer.strategy.root_device),
        }
        values |= {f"train/{name}": value for name, value in (self._totals or {}).items()}
        if self._gradient_norm is not None:
            values["train/gradient_norm"] = self._gradient_norm.item()
        self._tokens, self._since = 0, now
        self._check_finite()
        self.write(trainer, values)

    def _check_finite(self) -> None:
        if self._finite is not None and not self._finite:
            raise RegardError(
                f"the loss became NaN or infinite before step {self._step}; earlier checkpoints are kept; "
                "try a smaller optimizer.lr, a larger schedule.warmup_steps, or trainer.precision=32-true"
            )


class FinalValidation(pl.Callback):
    """Validates after the last step, for any validation interval: the last weights may be the best."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Let Lightning validate after the last step."""
        if trainer.global_step >= trainer.max_steps and trainer.val_check_batch is not None:
            trainer.val_check_batch = 1


def peak_memory_gib(device: torch.device) -> float:
    """Return the peak memory in GiB: of the GPU if ``device`` is one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return peak_resident_memory() / 2**30


def _metrics_of(trainer: pl.Trainer, split: str) -> Row:
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(f"{split}/")}
