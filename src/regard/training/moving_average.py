"""An exponential moving average of the weights (Polyak and Juditsky 1992), which is validated, tested and kept."""

from __future__ import annotations

import warnings

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging


class MovingAverage(EMAWeightAveraging):
    """Lightning's; it copies the whole model, so `regard.runs.check` refuses it where the model is sharded."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Copy the model; Lightning warns of sharding, which there is none of."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*WeightAveraging doesn't support sharding model layers")
            super().setup(trainer, pl_module, stage)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The average stays until all have looked at it: who reads samples and attention does so after this."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """And leaves before checkpoints are written, which Lightning's order of callbacks sees to."""
        super().on_validation_epoch_end(trainer, pl_module)
