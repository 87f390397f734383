"""Exponential moving average of the weights (Polyak and Juditsky 1992)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import Parameter

from regard.errors import UsageError


class MovingAverage(pl.Callback):
    """Averages the weights after each optimizer step, on the device of the weights.

    After step t the average is ``d * average + (1 - d) * weights`` with ``d = min(decay, (1 + t) / (10 + t))``: the
    weights of the first steps soon have little effect.

    From the start of a validation to the next training step, and after training, the model has the averaged weights.
    Checkpoints contain the average as ``state_dict`` and, to resume from, the trained weights as
    ``current_model_state``. Lightning's ``WeightAveraging`` is not used for three reasons: it copies the model before
    it is on its device, it waits for the device at each step, and its weights-only checkpoints do not contain the
    average.

    Raises UsageError if ``decay`` is outside [0, 1).
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise UsageError(f"callbacks.moving_average.decay={decay} is out of range: expected 0 <= decay < 1")
        self.decay = decay
        self._step = 0
        self._inactive: dict[Parameter, Tensor] = {}  # the average or the trained weights: those not in the model
        self._averaged = False  # whether the model has the average

    def decay_at(self, step: int) -> float:
        """Return the decay after optimizer step ``step``, counted from 1."""
        return min(self.decay, (1 + step) / (10 + step))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Initialise the average with the weights of the model, or with the average of the checkpoint."""
        self._step = trainer.global_step
        self._inactive = {
            parameter: self._inactive.get(parameter, parameter).detach().to(parameter.device, copy=True)
            for parameter in pl_module.parameters()
        }

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restore the trained weights after a validation."""
        self._activate(averaged=False)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average if the batch has ended an optimizer step."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            weights = [parameter.detach() for parameter in self._inactive]
            torch._foreach_lerp_(list(self._inactive.values()), weights, 1 - self.decay_at(self._step))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average into the model."""
        self._activate(averaged=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average into the model, for the test."""
        self._activate(averaged=True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the weights of the checkpoint, and the trained weights under another key."""
        model = checkpoint["state_dict"]
        other = {
            name: self._inactive[value].detach() if value in self._inactive else value
            for name, value in pl_module.state_dict(keep_vars=True).items()
        }
        average, trained = (model, other) if self._averaged else (other, model)
        checkpoint["state_dict"], checkpoint["current_model_state"] = average, trained

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore average and trained weights. If the checkpoint has no average, a new one is started."""
        if "current_model_state" in checkpoint:
            for name, value in pl_module.state_dict(keep_vars=True).items():
                if isinstance(value, Parameter):
                    self._inactive[value] = checkpoint["state_dict"][name].clone()
            pl_module.load_state_dict(checkpoint["current_model_state"])

    @torch.no_grad()
    def _activate(self, averaged: bool) -> None:
        """Put the average (``averaged``) or the trained weights into the model, by exchange with the inactive ones."""
        if not self._inactive or averaged == self._averaged:
            return
        inside, outside = [parameter.detach() for parameter in self._inactive], list(self._inactive.values())
        kept = [weight.clone() for weight in outside]
        torch._foreach_copy_(outside, inside)
        torch._foreach_copy_(inside, kept)
        self._averaged = averaged
