"""How many nodes, processes, devices and processors a run wants: derived from its configuration, and only here."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from regard.errors import UsageError


class Resources(NamedTuple):
    """What a run is spread over.

    nodes: machines
    devices: of each node; a process for each
    gpus: of each node
    processors: that a process has use for: one trains, one is for each worker that reads batches ahead
    """

    nodes: int
    devices: int
    gpus: int
    processors: int

    @property
    def processes(self) -> int:
        """All together."""
        return self.nodes * self.devices


def required_resources(config: dict[str, Any]) -> Resources:
    """What ``config``, whose values `regard.config.keys` has checked, says."""
    trainer = config["trainer"]
    on_gpus = trainer["accelerator"] in ("gpu", "cuda")
    return Resources(
        nodes=trainer["num_nodes"],
        devices=trainer["devices"],
        gpus=trainer["devices"] if on_gpus else 0,
        processors=1 + config["batches"]["workers"],
    )


def single_node_resources(config: dict[str, Any]) -> Resources:
    """The geometry of a run on this machine.

    Raises UsageError if it wants several.
    """
    required = required_resources(config)
    if required.nodes > 1:
        raise UsageError(f"trainer.num_nodes={required.nodes}: several machines need hydra/launcher=slurm")
    return required


def check_job_tasks(required: Resources) -> None:
    """Raises UsageError if this job has not the tasks that its run is made for."""
    nodes, tasks = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS"])
    if (nodes, tasks) != (required.nodes, required.processes):
        raise UsageError(
            f"this run needs {required.nodes} nodes with {required.devices} tasks each; its job has {tasks} tasks on "
            f"{nodes} nodes. Submit it with: sbatch --nodes={required.nodes} --ntasks-per-node={required.devices} ..."
        )
