"""The nodes, processes, devices and processors that a run needs, derived from its configuration."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from regard.errors import UsageError


class Resources(NamedTuple):
    """The resources that a run needs.

    nodes: number of machines
    devices: per node; one process per device
    gpus: per node
    processors: per process: one for training and one for each worker that loads batches
    """

    nodes: int
    devices: int
    gpus: int
    processors: int

    @property
    def processes(self) -> int:
        """Number of processes on all nodes."""
        return self.nodes * self.devices


def required_resources(config: dict[str, Any]) -> Resources:
    """Return the resources of a configuration whose values `regard.config.keys` has checked."""
    trainer = config["trainer"]
    on_gpus = trainer["accelerator"] in ("gpu", "cuda")
    return Resources(
        nodes=trainer["num_nodes"],
        devices=trainer["devices"],
        gpus=trainer["devices"] if on_gpus else 0,
        processors=1 + config["batches"]["workers"],
    )


def single_node_resources(config: dict[str, Any]) -> Resources:
    """Return the resources of a run on this machine.

    Raises UsageError if it needs several nodes.
    """
    required = required_resources(config)
    if required.nodes > 1:
        raise UsageError(f"trainer.num_nodes={required.nodes}: several nodes need hydra/launcher=slurm")
    return required


def check_job_tasks(required: Resources) -> None:
    """Raise UsageError if this SLURM job does not have the nodes and tasks that its run needs."""
    nodes, tasks = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS"])
    if (nodes, tasks) != (required.nodes, required.processes):
        raise UsageError(
            f"this run needs {required.nodes} nodes with {required.devices} tasks each; its job has {tasks} tasks on "
            f"{nodes} nodes. Submit it with: sbatch --nodes={required.nodes} --ntasks-per-node={required.devices} ..."
        )
