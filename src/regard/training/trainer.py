"""The one place that makes Lightning Trainers, so that Lightning is told the same about its surroundings everywhere."""

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
    """Make the Trainer that ``settings`` (a frozen ``trainer`` config) and ``arguments`` describe.

    Progress, sampling and signals are regard's own. Lightning does not look for a cluster by itself: a shell inside a
    SLURM allocation or under srun is not a task of a run (see `cluster_environment`).
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
    # Lightning's own handler of SIGTERM broadcasts, which hangs ranks that are not at the same point (its issue 20825).
    vars(trainer._signal_connector)["register_signal_handlers"] = lambda: None
    return trainer


@contextmanager
def without_srun_hint() -> Iterator[None]:
    """Suppress Lightning's advice to use srun, which it gives on every machine that has SLURM."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The `srun` command is available", category=UserWarning)
        yield
