"""Best checkpoint and snapshots of the weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint


class _InRunFolder(ModelCheckpoint):
    """Lightning's ModelCheckpoint, except that it keeps its scores if the run folder was moved."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Suppress the warning that the folder is not empty: that of a resumed run is not."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
            super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores, with the present paths of the files."""

        def moved(path: str) -> str:
            return str(Path(self.dirpath or "") / Path(path).name) if path else path

        paths = {key: moved(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best_k = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | paths | {"best_k_models": best_k, "dirpath": self.dirpath})


class BestCheckpoint(_InRunFolder):
    """best.ckpt: the checkpoint of the validation with the best value of ``monitor``; ``mode`` is min or max."""

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        super().__init__(
            dirpath=folder / "checkpoints",
            filename="best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do nothing: checkpoints are saved only after validations."""


class Snapshots(_InRunFolder):
    """snapshot-STEP.ckpt: only the weights, after each of the latest ``count`` validations."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(
            dirpath=folder / "checkpoints",
            filename="snapshot-{step:07d}",
            auto_insert_metric_name=False,
            monitor="step",
            mode="max",
            save_top_k=count,
            save_weights_only=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do nothing: checkpoints are saved only after validations."""
