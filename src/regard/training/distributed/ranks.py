"""Which of several processes this is, and who started them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments import ClusterEnvironment


def started_by_srun() -> bool:
    """Whether slurm/job.sbatch's srun started this process: it says so, since a shell inside a job looks alike."""
    return os.environ.get("REGARD_RANKS") == "srun"


def rank() -> int:
    """The number of this process; 0 speaks for the run."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0") if started_by_srun() else "0"))


def is_first_process() -> bool:
    """Whether this process speaks for the run: rank 0, or the only one."""
    return rank() == 0


def world_size() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1") if started_by_srun() else "1"))


def job_id() -> str | None:
    """SLURM's name of this job, of an array's task as ARRAY_TASK; None outside of a job."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def request_requeue(number: int) -> None:
    """After this signal: if a time limit is near, slurm/job.sbatch shall put its job back into the queue.

    It names the file that tells it so.
    """
    if number == signal.SIGUSR1 and is_first_process() and "REGARD_REQUEUE" in os.environ:
        Path(os.environ["REGARD_REQUEUE"]).touch()


def cluster_environment() -> ClusterEnvironment:
    """What tells Lightning of the other processes. Said to it, since what it finds by itself may be an outer job."""
    from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    if "TORCHELASTIC_RUN_ID" in os.environ:
        return TorchElasticEnvironment()
    if started_by_srun():
        # The first node by address: its name need not be known to the others. The script requeues, nobody else.
        if address := os.environ.get("SLURM_LAUNCH_NODE_IPADDR"):
            os.environ.setdefault("MASTER_ADDR", address)
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()
