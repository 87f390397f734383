"""How many nodes, processes, devices and processors a run wants: derived from its configuration, and only here."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from regard.errors import UsageError


class Geometry(NamedTuple):
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


def geometry(config: dict[str, Any]) -> Geometry:
    """What ``config``, whose values `regard.config.keys` has checked, says."""
    trainer = config["trainer"]
    on_gpus = trainer["accelerator"] in ("gpu", "cuda")
    return Geometry(
        nodes=trainer["num_nodes"],
        devices=trainer["devices"],
        gpus=trainer["devices"] if on_gpus else 0,
        processors=1 + config["batches"]["workers"],
    )


def one_machine(config: dict[str, Any]) -> Geometry:
    """The geometry of a run on this machine.

    Raises UsageError if it wants several.
    """
    wanted = geometry(config)
    if wanted.nodes > 1:
        raise UsageError(f"trainer.num_nodes={wanted.nodes}: several machines need hydra/launcher=slurm")
    return wanted


def check_tasks(wanted: Geometry) -> None:
    """Raises UsageError if this job has not the tasks that its run is made for."""
    nodes, tasks = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS"])
    if (nodes, tasks) != (wanted.nodes, wanted.processes):
        raise UsageError(
            f"this run wants {wanted.nodes} nodes with {wanted.devices} tasks each, its job {tasks} tasks on {nodes}; "
            f"submit it with: sbatch --nodes={wanted.nodes} --ntasks-per-node={wanted.devices} ..."
        )
