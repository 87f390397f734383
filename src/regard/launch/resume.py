"""Going on with runs: what may change, and what must not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import yaml

from regard.config.keys import check_value
from regard.config.ranges import ARGUMENTS
from regard.errors import UsageError
from regard.runs.folder import RunFolder, write_atomically

NUMBERS = ("trainer.max_steps", "trainer.devices", "trainer.num_nodes")
MAX_STEPS = "trainer.max_steps="
ENDED = ("failed", "lost", "cancelled", "preempted")


def resume(runs: Sequence[RunFolder], overrides: list[str]) -> int:
    """Go on with a run, or with those of several that are over and not finished; the exit code.

    Says which are left to the process that is still to start them, and that a finished one has nothing left to do: it
    would be tested again, and its times written over. Raises UsageError if a job in the queue will go on
    with the only one.
    """
    from regard.launch.slurm import queue_of
    from regard.launch.start import start

    jobs = queue_of(runs)
    if len(runs) > 1:
        runs = [run for run in runs if run.status()["status"] not in ("finished", "running") and run.job() not in jobs]
        waiting = {run.path: process for run in runs if (process := run.submitter())}
        for path, process in waiting.items():
            print(f"{path}: left to process {process}, which is to start it", flush=True)
        runs = [run for run in runs if run.path not in waiting]
    elif (job := runs[0].job()) in jobs:
        raise UsageError(
            f"{runs[0].path}: job {job} is in the queue and works on it, or will; first: regard cancel {runs[0].path}"
        )
    elif runs[0].status()["status"] == "finished" and not any(each.startswith(MAX_STEPS) for each in overrides):
        print(f"{runs[0].path}: finished; to train it for longer, give {MAX_STEPS}...", flush=True)
        return 0
    prepare_resume(runs, overrides)
    return start(runs) if runs else 0


def retry(runs: Sequence[RunFolder], states: Sequence[str], overrides: list[str]) -> int:
    """Go on with those of ``runs`` whose state is one of ``states`` and that no job in the queue will see to.

    Says which. The exit code. Raises UsageError for a state that is none.
    """
    from regard.launch.jobs import inspect_run, is_over
    from regard.launch.slurm import queue_of
    from regard.launch.start import start

    if unknown := set(states) - set(ENDED):
        raise UsageError(f"--status {unknown.pop()}: choose among {', '.join(ENDED)}")
    jobs = queue_of(runs)
    seen = [inspect_run(run, jobs) for run in runs]
    chosen = [each.run for each in seen if each.state in states and is_over(each, jobs)]
    print(f"{len(chosen)} of {len(runs)} runs to try again ({', '.join(states)})", flush=True)
    prepare_resume(chosen, overrides)
    return start(chosen) if chosen else 0


def prepare_resume(runs: Sequence[RunFolder], overrides: list[str]) -> None:
    """Mark ``runs`` as submitted by this process, with ``overrides`` in their config.yaml and overrides.yaml.

    All runs stay locked until all are marked. If two processes resume a run at once, the second is refused before it
    has changed anything: first by the lock, then by the mark, until a worker holds a lock of its own.

    Raises UsageError, before any run is changed, for a key that may not change, a value that the key does not take,
    fewer steps than a run has taken, a launcher that cannot start a run so, or if another process works on one.
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
    """The configuration of ``run`` with ``overrides``; raises what `prepare_resume` does."""
    from regard.config.launcher import change_launcher, is_of_launcher
    from regard.launch.start import launcher_of, make_launcher

    config = run.config()
    config["launcher"] = change_launcher(launcher_of(config), overrides)
    for override in overrides:
        if not is_of_launcher(override):
            _change_number(config, override)
    _check_steps(run, config)
    make_launcher(config["launcher"]).check(config)
    return config


def _change_number(config: dict[str, Any], override: str) -> None:
    key, _, value = override.partition("=")
    if key not in NUMBERS:
        near = difflib.get_close_matches(key, NUMBERS, n=1)
        hint = f"did you mean {near[0]}?" if near else "start a new run for that, with init_from= if you like"
        raise UsageError(f"{key}: only {', '.join(NUMBERS)} and the launcher may change on resume; {hint}")
    trainer, name = config["trainer"], key.removeprefix("trainer.")
    check_value(key, int(value) if value.isdecimal() else value, ARGUMENTS["pytorch_lightning.Trainer"][name])
    if name == "max_steps" and config["schedule"].get("total_steps") == trainer["max_steps"]:
        config["schedule"]["total_steps"] = int(value)
    trainer[name] = int(value)
    if trainer["strategy"] == "auto" and trainer["devices"] * trainer["num_nodes"] > 1:
        trainer["strategy"] = "ddp"


def _check_steps(run: RunFolder, config: dict[str, Any]) -> None:
    """Raise UsageError if ``run`` would continue from a later step than ``config`` wants it to end at."""
    from regard.launch.jobs import inspect_run

    wanted = config["trainer"]["max_steps"]
    if wanted >= (inspect_run(run, None).step or 0):
        return
    from regard.training.checkpoint import find_last_checkpoint, read_checkpoint  # takes seconds

    checkpoint = find_last_checkpoint(run.checkpoints)  # steps after it, which a run has lost, are taken again
    taken = 0 if checkpoint is None else read_checkpoint(checkpoint)["global_step"]
    if wanted < taken:
        raise UsageError(f"trainer.max_steps={wanted}: {run.path} has taken {taken} steps; give {taken} or more")
