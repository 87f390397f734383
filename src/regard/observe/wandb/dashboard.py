"""The loggers that a run can choose: none, or one Weights & Biases run per run folder."""

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
    """Log to metrics.csv only."""
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
    """Return the logger for the W&B run of ``folder``; resumed runs continue the same W&B run.

    folder: the run folder; all files of W&B are written to it
    config: the resolved configuration, stored with the W&B run
    group: the sweep of the run
    tags: tags of the W&B run; those that are too long for W&B are dropped
    attempt: number of the attempt, stored in the summary
    mode: online, offline or disabled
    init_timeout_seconds: if W&B cannot be reached within this time, the run is logged offline, with a warning;
        ``wandb sync`` uploads it later

    Only rank 0 logs; on other ranks and in mode disabled the result is False.
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
    except Exception as error:  # no error of W&B or of its files stops the training
        reason = one_line(error)
        warnings.warn(
            f"W&B cannot start ({reason}); the run continues without it, all metrics are in metrics.csv", stacklevel=2
        )
        with suppress(Exception):
            wandb.teardown()
        return False


def finish_loggers(loggers: list[Logger], summary: dict[str, Any] | None) -> None:
    """End the W&B runs of ``loggers``; ``summary`` is the content of summary.json, or None for an unfinished run."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            from regard.observe.wandb.logger import ResumableWandbLogger

            if isinstance(logger, ResumableWandbLogger):
                logger.finish(summary)


def _run_id(path: Path) -> str:
    """Return the W&B run id stored at ``path``; create it on the first call, or take the one of a W&B sweep agent."""
    if not path.exists():
        from_agent = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        path.write_text(from_agent or secrets.token_hex(4), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
