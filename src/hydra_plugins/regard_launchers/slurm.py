"""``hydra/launcher=slurm``: a SLURM job for each run, submitted at once."""

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

RUNS_A_CALL = 1000
"""Each is an argument of the job's script."""

EARLY_SECONDS = 60
"""SLURM may send a signal so much sooner than it was asked to (sbatch, --signal)."""


class Slurm(RunLauncher):
    """Submits slurm/job.sbatch, for a sweep as an array, in parts that the cluster takes; see conf/hydra/launcher.

    Raises UsageError if the time limit leaves no time to work.
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
                f"hydra.launcher.time_minutes={time_minutes}: a run leaves {leave_seconds} s before the limit "
                f"(hydra.launcher.leave_seconds), or up to a minute sooner; give {least} or more"
            )

    def check(self, config: dict[str, Any]) -> None:
        """Raises UsageError if there is no SLURM, or the trainer does not say what it needs."""
        from regard.errors import UsageError
        from regard.launch.slurm import is_here
        from regard.runs.resources import required_resources

        required_resources(config)
        if not is_here():
            raise UsageError("hydra/launcher=slurm: no sbatch on this machine; submit from a node of the cluster")
        if config["trainer"]["accelerator"] == "auto":
            raise UsageError("trainer.accelerator=auto: say gpu or cpu, so that the job can ask for it")

    def start(self, runs: Sequence[RunFolder]) -> int:
        """Submit, say the jobs' ids and how to watch them, and return 0.

        Raises RegardError if SLURM refuses; runs that it does not get are failed, and can be retried.
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
        """Submit a job for each worker; 0."""
        from regard.launch.slurm import submit
        from regard.places import job_script
        from regard.runs.folder import RunFolder
        from regard.runs.resources import Resources

        # One task: the worker starts the processes of a trial itself.
        options = self._options(Resources(1, 1, required.gpus, required.devices * required.processors))
        options += [f"--array=0-{workers - 1}", f"--output={folder / 'slurm.txt'}", "--job-name=search"]
        setup = self._write_setup(folder)
        job = submit([*options, *self.options, str(job_script()), "--setup", str(setup), *[str(folder)] * workers])
        RunFolder(folder).set_job(job)
        print(f"submitted {workers} worker{'s' * (workers > 1)}: job {job}")
        print(f"watch with: regard jobs {folder} --watch")
        return 0

    def _submit(self, runs: Sequence[RunFolder], required: Resources) -> Iterator[str]:
        """The job of each run, once it has one."""
        from regard.launch.slurm import largest_array, submit
        from regard.places import job_script
        from regard.runs.sweep import sweep_of

        size = min(largest_array(), RUNS_A_CALL)
        job = None
        for begin in range(0, len(runs), size):
            part = runs[begin : begin + size]
            home = (sweep_of(part[0]) or part[0].path) if len(part) > 1 else part[0].path
            setup = self._write_setup(home)
            options = self._options(required)
            if len(part) > 1:
                at_a_time = f"%{self.array_parallelism}" if self.array_parallelism else ""
                options += [f"--array=0-{len(part) - 1}{at_a_time}", f"--output={home / 'slurm.txt'}"]
                if at_a_time and job:  # the limit is for all parts together
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
        """What sbatch is told, from the geometry of the run and from the launcher's configuration."""
        gpus = f"{self.gpu_type}:{required.gpus}" if self.gpu_type else required.gpus
        given = {
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
        return [f"--{name}={value}" for name, value in given.items() if value is not None]

    def _write_setup(self, home: Path) -> Path:
        """What the job's script begins with."""
        from regard.runs.folder import write_atomically

        python = shlex.split(self.python) if self.python else [sys.executable]
        write_atomically(home / "setup.sh", "\n".join([*self.setup_lines, f"python=({shlex.join(python)})", ""]))
        return (home / "setup.sh").absolute()
