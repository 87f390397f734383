"""``hydra/launcher=slurm``: one SLURM job per run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.regard_launchers.base import RunLauncher

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder
    from regard.runs.resources import Resources

MAX_RUNS_PER_ARRAY = 1000
"""Limits the length of the command line: the path of each run is an argument of the job script."""

EARLY_SECONDS = 60
"""SLURM may send a signal up to this much earlier than requested (sbatch, --signal)."""


class Slurm(RunLauncher):
    """Submits slurm/job.sbatch for each run. A sweep is an array, split if the cluster limits the size of arrays.

    conf/hydra/launcher/slurm.yaml documents the arguments. Raises UsageError if the time limit leaves no time to train.
    """

    def __init__(
        self,
        partition: str | None,
        account: str | None,
        qos: str | None,
        constraint: str | None,
        time_minutes: int | None,
        leave_seconds: int,
        cpus_per_task: int | None,
        memory_gb: int | None,
        gpu_type: str | None,
        array_parallelism: int | None,
        options: list[str],
        setup: list[str],
        python: str | None,
    ) -> None:
        from regard.errors import UsageError

        self.partition, self.account, self.qos, self.constraint = partition, account, qos, constraint
        self.time_minutes, self.leave_seconds = time_minutes, leave_seconds
        self.cpus_per_task, self.memory_gb, self.gpu_type = cpus_per_task, memory_gb, gpu_type
        self.array_parallelism = array_parallelism
        self.options, self.setup_lines, self.python = options, setup, python
        least = (leave_seconds + EARLY_SECONDS) // 60 + 1
        if time_minutes is not None and time_minutes < least:
            raise UsageError(
                f"hydra.launcher.time_minutes={time_minutes}: a run stops {leave_seconds} s before the limit "
                f"(hydra.launcher.leave_seconds), or up to a minute earlier; set {least} or more"
            )

    def check(self, config: dict[str, Any]) -> None:
        """Raise UsageError if SLURM is not installed, or the trainer does not determine the resources."""
        from regard.errors import UsageError
        from regard.launch.slurm import is_installed
        from regard.runs.resources import required_resources

        required_resources(config)
        if not is_installed():
            raise UsageError("hydra/launcher=slurm: sbatch is not installed; submit from a node of the cluster")
        if config["trainer"]["accelerator"] == "auto":
            raise UsageError("trainer.accelerator=auto: set gpu or cpu, so that the job can request the device")

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Submit the runs, print the ids of the jobs and the command to watch them, and return 0.

        Raises RegardError if SLURM rejects a job. The runs that were not submitted are marked as failed; retry them.
        """
        from regard.errors import RegardError
        from regard.runs.resources import required_resources
        from regard.runs.sweep import sweep_of

        groups: dict[Resources, list[RunFolder]] = {}
        for run in runs:
            groups.setdefault(required_resources(run.config()), []).append(run)
        jobs: list[str] = []
        try:
            for required, group in groups.items():
                for job in self._submit(group, required):
                    jobs.append(job)
        except RegardError as error:
            for run in runs:
                if run.job() not in jobs:
                    run.set_status("failed", why=f"not submitted: {error}")
            raise
        ids = list(dict.fromkeys(job.partition("_")[0] for job in jobs))
        print(f"submitted {len(runs)} run{'s' * (len(runs) > 1)}: job {', '.join(ids)}")
        print(f"watch with: regard jobs {sweep_of(runs[0]) or runs[0].path} --watch")
        return 0

    def search(self, folder: Path, workers: int, required: Resources) -> int:
        """Submit one job per worker; return 0."""
        from regard.launch.slurm import submit
        from regard.places import job_script
        from regard.runs.folder import RunFolder
        from regard.runs.resources import Resources

        # One task per job: the worker starts the processes of a trial.
        options = self._options(Resources(1, 1, required.gpus, required.devices * required.processors))
        options += [f"--array=0-{workers - 1}", f"--output={folder / 'slurm.txt'}", "--job-name=search"]
        setup = self._write_setup(folder)
        job = submit([*options, *self.options, str(job_script()), "--setup", str(setup), *[str(folder)] * workers])
        RunFolder(folder).set_job(job)
        print(f"submitted {workers} worker{'s' * (workers > 1)}: job {job}")
        print(f"watch with: regard jobs {folder} --watch")
        return 0

    def _submit(self, runs: Sequence[RunFolder], required: Resources) -> Iterator[str]:
        """Submit ``runs``, and yield the job id of each run when it is submitted."""
        from regard.launch.slurm import largest_array, submit
        from regard.places import job_script
        from regard.runs.sweep import sweep_of

        size = min(largest_array(), MAX_RUNS_PER_ARRAY)
        job = None
        for begin in range(0, len(runs), size):
            part = runs[begin : begin + size]
            home = (sweep_of(part[0]) or part[0].path) if len(part) > 1 else part[0].path
            setup = self._write_setup(home)
            options = self._options(required)
            if len(part) > 1:
                at_a_time = f"%{self.array_parallelism}" if self.array_parallelism else ""
                options += [f"--array=0-{len(part) - 1}{at_a_time}", f"--output={home / 'slurm.txt'}"]
                if at_a_time and job:  # the limit applies to all parts together
                    options.append(f"--dependency=afterany:{job}")
            else:
                options.append(f"--output={part[0].console}")
            options.append(f"--job-name={part[0].config()['name']}")
            arguments = [*options, *self.options, str(job_script()), "--setup", str(setup)]
            job = submit([*arguments, *(str(run.path.absolute()) for run in part)])
            for number, run in enumerate(part):
                name = f"{job}_{number}" if len(part) > 1 else job
                run.set_job(name)
                yield name

    def _options(self, required: Resources) -> list[str]:
        """Return the options of sbatch for the required resources and the configuration of the launcher."""
        gpus = f"{self.gpu_type}:{required.gpus}" if self.gpu_type else required.gpus
        options = {
            "nodes": required.nodes,
            "ntasks-per-node": required.devices,
            "cpus-per-task": self.cpus_per_task or required.processors,
            "gres": f"gpu:{gpus}" if required.gpus else None,
            "mem": f"{self.memory_gb}G" if self.memory_gb else None,
            "time": self.time_minutes,
            "signal": f"USR1@{self.leave_seconds}",
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
        }
        return [f"--{name}={value}" for name, value in options.items() if value is not None]

    def _write_setup(self, home: Path) -> Path:
        """Write setup.sh, which the job script runs first; return its path."""
        from regard.runs.create import write_atomically

        python = shlex.split(self.python) if self.python else [sys.executable]
        write_atomically(home / "setup.sh", "\n".join([*self.setup_lines, f"python=({shlex.join(python)})", ""]))
        return (home / "setup.sh").absolute()
