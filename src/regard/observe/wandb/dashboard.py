"""Weights & Biases: one run there for one run folder here."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger

from regard.errors import one_line
from regard.training.callbacks.metrics_file import read_rows
from regard.training.distributed.ranks import is_first_process

LONGEST_TAG = 64


def no_logger(folder: Path, config: dict[str, Any], group: str, tags: Sequence[str], attempt: int) -> bool:
    """metrics.csv alone."""
    return False


def make_wandb_logger(
    folder: Path,
    config: dict[str, Any],
    group: str,
    tags: Sequence[str],
    attempt: int,
    mode: str,
    project: str,
    entity: str | None,
    init_timeout_seconds: float,
) -> Logger | bool:
    """A logger for the W&B run that belongs to ``folder``: the same run whenever its work goes on.

    ``config``, resolved, is stored with the run, which belongs to ``group``, its sweep, and has ``tags``, as far as W&B
    takes them; its summary tells the number of the ``attempt``. A run that should be online but cannot reach W&B within
    ``init_timeout_seconds`` is kept offline, with a warning; ``wandb sync`` uploads it later. Everything W&B writes
    stays in the folder. Rank 0 alone logs.
    """
    if mode == "disabled" or not is_first_process():
        return False
    import wandb

    from regard.observe.wandb.logger import ResumableWandbLogger

    own = folder / "wandb"
    own.mkdir(exist_ok=True)
    for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ[variable] = str(own)
    options: dict[str, Any] = {
        "dir": str(folder),
        "id": _run_id(own / "run-id"),
        "resume": "allow",
        "project": project,
        "entity": entity,
        "name": f"{config['name']}-{folder.name}",
        "group": group,
        "job_type": config["task"]["name"],
        "tags": [tag for tag in tags if len(tag) <= LONGEST_TAG],
        "config": config,
        "mode": mode,
        "settings": wandb.Settings(init_timeout=init_timeout_seconds, silent=True, console="off", finish_timeout=60),
    }

    metrics = folder / "metrics.csv"
    try:
        return ResumableWandbLogger(options, attempt, lambda: read_rows(metrics) if metrics.exists() else [])
    except Exception as error:  # whatever it is, of W&B or of what it left here: it is no reason not to train
        warnings.warn(f"without W&B, which cannot begin ({one_line(error)}); metrics.csv has it all", stacklevel=2)
        with suppress(Exception):
            wandb.teardown()
        return False


def finish_loggers(loggers: list[Logger], summary: dict[str, Any] | None) -> None:
    """End the W&B runs among ``loggers``; ``summary`` is that of summary.json, None if the run has not come so far."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            from regard.observe.wandb.logger import ResumableWandbLogger

            if isinstance(logger, ResumableWandbLogger):
                logger.finish(summary)


def _run_id(path: Path) -> str:
    """The W&B run id of this folder; made at first, unless an agent of a W&B sweep has given one."""
    if not path.exists():
        given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        path.write_text(given or secrets.token_hex(4), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
