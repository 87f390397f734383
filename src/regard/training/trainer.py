"""Construction of Lightning Trainers, with the same plugins and settings for training and evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl

from regard.instantiate import build
from regard.training.checkpoint_io import SafeCheckpointIO
from regard.training.distributed.ranks import cluster_environment


def make_trainer(settings: Mapping[str, Any], **arguments: Any) -> pl.Trainer:
    """Make a Trainer from ``settings`` (a frozen ``trainer`` config) and ``arguments``.

    Progress, sampling and signals are handled by regard. Lightning's detection of clusters is replaced by
    `cluster_environment`: a shell inside a SLURM allocation or under srun is not a task of a run.
    """
    with without_srun_hint():
        trainer: pl.Trainer = build(
            dict(settings),
            plugins=[SafeCheckpointIO(), cluster_environment()],
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **arguments,
        )
    # Lightning's handler of SIGTERM broadcasts, which hangs if ranks are at different points (Lightning issue 20825).
    vars(trainer._signal_connector)["register_signal_handlers"] = lambda: None
    return trainer


@contextmanager
def without_srun_hint() -> Iterator[None]:
    """Suppress the warning that Lightning gives on every machine with SLURM: to use srun."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The `srun` command is available", category=UserWarning)
        yield
