"""An exponential moving average of the weights (Polyak and Juditsky 1992), which is validated, tested and kept."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import Parameter

from regard.errors import UsageError


class MovingAverage(pl.Callback):
    """Averages the weights after each optimizer step, on their own device.

    After step t the average is ``d * average + (1 - d) * weights`` with ``d = min(decay, (1 + t) / (10 + t))``: the
    first steps, which are far from where training ends, are soon forgotten.

    From the start of a validation to the next training step, and after training, the model has the averaged weights.
    Checkpoints therefore hold the average under ``state_dict`` and, to resume from, the trained weights under
    ``current_model_state``. Lightning's ``WeightAveraging`` differs in three points: it copies the model before it
    is on its device, waits for the device at each step, and leaves weights-only checkpoints without the average.

    Raises UsageError if ``decay`` is outside [0, 1).
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise UsageError(f"callbacks.moving_average.decay={decay}: give a number from 0 up to, but not, 1")
        self.decay = decay
        self._step = 0
        self._other: dict[Parameter, Tensor] = {}  # of the average and the trained weights, those not in the model
        self._averaged = False  # whether the model has the average

    def decay_at(self, step: int) -> float:
        """The share of the average that stays after optimizer step ``step``, counted from 1."""
        return min(self.decay, (1 + step) / (10 + step))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with the weights of the model, or with the average of the checkpoint."""
        self._step = trainer.global_step
        self._other = {
            parameter: self._other.get(parameter, parameter).detach().to(parameter.device, copy=True)
            for parameter in pl_module.parameters()
        }

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Return to the trained weights after a validation."""
        self._put(averaged=False)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average if the batch has ended an optimizer step."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            weights = [parameter.detach() for parameter in self._other]
            torch._foreach_lerp_(list(self._other.values()), weights, 1 - self.decay_at(self._step))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average."""
        self._put(averaged=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the average in the model."""
        self._put(averaged=True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save both, the average as the weights of the checkpoint."""
        model = checkpoint["state_dict"]
        other = {
            name: self._other[value].detach() if value in self._other else value
            for name, value in pl_module.state_dict(keep_vars=True).items()
        }
        average, trained = (model, other) if self._averaged else (other, model)
        checkpoint["state_dict"], checkpoint["current_model_state"] = average, trained

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore both; a checkpoint without an average starts a new one."""
        if "current_model_state" in checkpoint:
            for name, value in pl_module.state_dict(keep_vars=True).items():
                if isinstance(value, Parameter):
                    self._other[value] = checkpoint["state_dict"][name].clone()
            pl_module.load_state_dict(checkpoint["current_model_state"])

    @torch.no_grad()
    def _put(self, averaged: bool) -> None:
        """Exchange the weights of the model if it does not have the ones that are wanted."""
        if not self._other or averaged == self._averaged:
            return
        inside, outside = [parameter.detach() for parameter in self._other], list(self._other.values())
        kept = [weight.clone() for weight in outside]
        torch._foreach_copy_(outside, inside)
        torch._foreach_copy_(inside, kept)
        self._averaged = averaged
