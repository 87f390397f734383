"""Scoring a trained model on a part of its corpus."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from regard.data.corpus import SPLITS
from regard.data.module import TextData
from regard.errors import UsageError
from regard.runs.folder import RunFolder, find_checkpoint
from regard.runs.work import make_task
from regard.training.build import build
from regard.training.checkpoint import load_weights, read_checkpoint
from regard.training.task import Task


def evaluate(run: RunFolder, split: str, beam_size: int | None, device: str) -> tuple[dict[str, float], Task]:
    """The metrics of ``split`` with the best checkpoint, and the task with the outputs (``samples``).

    beam_size: None takes the run's own. Raises UsageError for a split that is none.
    """
    if split not in SPLITS[1:]:
        raise UsageError(f"--split {split}: choose validation or test")
    config: dict[str, Any] = run.config()
    scorer = config["task"]["scorer"]
    scorer["beam_size"] = scorer["validation_beam_size"] = beam_size or scorer["beam_size"]
    batches: TextData = build(config["batches"])
    task = make_task(config, batches)
    checkpoint = find_checkpoint(run.path)
    load_weights(task.model, read_checkpoint(checkpoint), checkpoint)
    trainer = pl.Trainer(
        accelerator="gpu" if device.startswith("cuda") else "cpu",
        devices=[int(device.partition(":")[2] or 0)] if device.startswith("cuda") else 1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    score = trainer.test if split == "test" else trainer.validate
    score(task, datamodule=batches, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}, task
