"""Resume and retry runs, possibly with more steps, other devices or another launcher."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import yaml

from regard.config.keys import check_value
from regard.config.ranges import ARGUMENTS
from regard.errors import UsageError
from regard.runs.create import write_atomically
from regard.runs.folder import RunFolder

NUMBERS = ("trainer.max_steps", "trainer.devices", "trainer.num_nodes")
MAX_STEPS = "trainer.max_steps="
ENDED = ("failed", "lost", "cancelled", "preempted")


def resume(runs: Sequence[RunFolder], overrides: list[str]) -> int:
    """Resume a run, or those of several runs that have ended without finishing; return the exit code.

    Runs that another process will start are skipped with a message. A single finished run is skipped too unless
    trainer.max_steps is given: resuming it would test it again and overwrite its times. Raises UsageError if the only
    run has a job in the queue.
    """
    from regard.launch.slurm import queue_of
    from regard.launch.start import start

    jobs = queue_of(runs)
    if len(runs) > 1:
        runs = [run for run in runs if run.status()["status"] not in ("finished", "running") and run.job() not in jobs]
        waiting = {run.path: process for run in runs if (process := run.submitter())}
        for path, process in waiting.items():
            print(f"{path}: skipped; process {process} will start it", flush=True)
        runs = [run for run in runs if run.path not in waiting]
    elif (job := runs[0].job()) in jobs:
        raise UsageError(
            f"{runs[0].path}: job {job} of this run is in the queue; cancel it first: regard cancel {runs[0].path}"
        )
    elif runs[0].status()["status"] == "finished" and not any(each.startswith(MAX_STEPS) for each in overrides):
        _changed(runs[0], overrides)  # refuses a misspelled key, which may have been meant for trainer.max_steps
        print(f"{runs[0].path}: already finished; to train longer, set {MAX_STEPS}...", flush=True)
        return 0
    prepare_resume(runs, overrides)
    return start(runs) if runs else 0


def retry(runs: Sequence[RunFolder], states: Sequence[str], overrides: list[str]) -> int:
    """Resume those of ``runs`` whose state is in ``states`` and that have no job in the queue; return the exit code.

    Prints their number. Raises UsageError for a state that cannot be retried.
    """
    from regard.launch.jobs import has_ended, inspect_run
    from regard.launch.slurm import queue_of
    from regard.launch.start import start

    if unknown := set(states) - set(ENDED):
        raise UsageError(f"--status {unknown.pop()}: expected one of {', '.join(ENDED)}")
    jobs = queue_of(runs)
    infos = [inspect_run(run, jobs) for run in runs]
    chosen = [info.run for info in infos if info.state in states and has_ended(info, jobs)]
    print(f"retrying {len(chosen)} of {len(runs)} runs ({', '.join(states)})", flush=True)
    prepare_resume(chosen, overrides)
    return start(chosen) if chosen else 0


def prepare_resume(runs: Sequence[RunFolder], overrides: list[str]) -> None:
    """Mark ``runs`` as submitted by this process, with ``overrides`` in their config.yaml and overrides.yaml.

    All runs stay locked until all are marked. If two processes resume a run at the same time, the second one fails
    before it changes anything: first because of the lock, then because of the mark, until a worker locks the run.

    Raises UsageError, before any run is changed, for a key that cannot change, an invalid value, fewer steps than a
    run has taken, a launcher or machine that cannot start a run with its configuration, or a run that another process
    works on.
    """
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked_while_idle())
        for run, config in [(run, _changed(run, overrides)) for run in runs]:
            if overrides:
                given = [*run.overrides(), *overrides]
                write_atomically(run.path / "overrides.yaml", yaml.safe_dump(given, allow_unicode=True))
                write_atomically(run.path / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
            run.mark_submitted()


def _changed(run: RunFolder, overrides: list[str]) -> dict[str, Any]:
    """Return the configuration of ``run`` with ``overrides``. Raises UsageError as `prepare_resume` does."""
    from regard.config.launcher import change_launcher, is_of_launcher
    from regard.launch.start import launcher_of, make_launcher

    config = run.config()
    config["launcher"] = change_launcher(launcher_of(config), overrides)
    for override in overrides:
        if not is_of_launcher(override):
            _change_number(config, override)
    _check_steps(run, config)
    launcher = make_launcher(config["launcher"])
    launcher.check(config)
    launcher.check_machine(config)
    return config


def _change_number(config: dict[str, Any], override: str) -> None:
    key, _, value = override.partition("=")
    if key not in NUMBERS:
        near = difflib.get_close_matches(key, NUMBERS, n=1)
        hint = f"did you mean {near[0]}?" if near else "start a new run, from a checkpoint with init_from= if needed"
        raise UsageError(f"{key}: only {', '.join(NUMBERS)} and the launcher can change on resume; {hint}")
    trainer, name = config["trainer"], key.removeprefix("trainer.")
    check_value(key, int(value) if value.isdecimal() else value, ARGUMENTS["pytorch_lightning.Trainer"][name])
    if name == "max_steps" and config["schedule"].get("total_steps") == trainer["max_steps"]:
        config["schedule"]["total_steps"] = int(value)
    trainer[name] = int(value)
    if trainer["strategy"] == "auto" and trainer["devices"] * trainer["num_nodes"] > 1:
        trainer["strategy"] = "ddp"


def _check_steps(run: RunFolder, config: dict[str, Any]) -> None:
    """Raise UsageError if ``run`` would continue from a step after trainer.max_steps of ``config``."""
    from regard.launch.jobs import inspect_run

    max_steps = config["trainer"]["max_steps"]
    if max_steps >= (inspect_run(run, None).step or 0):
        return
    from regard.training.checkpoint import find_last_checkpoint, read_checkpoint  # takes seconds

    checkpoint = find_last_checkpoint(run.checkpoints)  # the steps after it are lost and will be repeated
    taken = 0 if checkpoint is None else read_checkpoint(checkpoint)["global_step"]
    if max_steps < taken:
        raise UsageError(f"trainer.max_steps={max_steps}: {run.path} has taken {taken} steps; give {taken} or more")
