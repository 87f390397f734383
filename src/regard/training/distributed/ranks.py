"""Rank, world size and launcher of the present process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments import ClusterEnvironment


def started_by_srun() -> bool:
    """Whether the srun of slurm/job.sbatch started this process.

    The script sets an environment variable, since SLURM sets the same variables in a shell inside a job.
    """
    return os.environ.get("REGARD_RANKS") == "srun"


def rank() -> int:
    """Return the rank of this process; 0 if it is the only one."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0") if started_by_srun() else "0"))


def is_first_process() -> bool:
    """Whether this process has rank 0, which writes the files and messages of the run."""
    return rank() == 0


def world_size() -> int:
    """Return the number of processes of the run."""
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1") if started_by_srun() else "1"))


def job_id() -> str | None:
    """Return the SLURM job id, for a task of an array ARRAY_TASK; None outside of a job."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def request_requeue(number: int) -> None:
    """Request that slurm/job.sbatch requeues its job, if signal ``number`` announces the time limit.

    The environment variable REGARD_REQUEUE names the file that the script checks.
    """
    if number == signal.SIGUSR1 and is_first_process() and "REGARD_REQUEUE" in os.environ:
        Path(os.environ["REGARD_REQUEUE"]).touch()


def cluster_environment() -> ClusterEnvironment:
    """Return the Lightning environment of this process. Lightning could detect that of an enclosing job instead."""
    from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    if "TORCHELASTIC_RUN_ID" in os.environ:
        return TorchElasticEnvironment()
    if started_by_srun():
        # An address, since other nodes may not be able to resolve the name of the first node. Only the script requeues.
        if address := os.environ.get("SLURM_LAUNCH_NODE_IPADDR"):
            os.environ.setdefault("MASTER_ADDR", address)
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()
