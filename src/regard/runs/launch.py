"""Starting the work of a run folder: here, or with torchrun on several devices of this machine."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from regard.errors import UsageError
from regard.runs.folder import RunFolder


def launch(run: RunFolder) -> int:
    """Do the work of ``run`` and wait for it; its exit code.

    One device: in this process. Several: a fresh process for each, started by torchrun.
    """
    config = run.config()
    count = device_count(config["trainer"])
    if count == 1:
        from regard.runs.work import work

        return work(run.path)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.run([*command, "-m", "regard.runs.work", str(run.path)]).returncode


def device_count(trainer: dict[str, Any]) -> int:
    """Processes on this machine.

    Raises UsageError if the configuration does not say a plain number, or wants several machines.
    """
    if trainer["num_nodes"] != 1:
        raise UsageError(f"trainer.num_nodes={trainer['num_nodes']}: several machines need a cluster's launcher")
    devices = trainer["devices"]
    if not isinstance(devices, int) or devices < 1:
        raise UsageError(f"trainer.devices={devices}: give the number of devices, 1 or more")
    return devices
