"""The state of runs, read from their folders and from squeue if SLURM is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from regard.errors import RegardError
from regard.launch.slurm import Job, is_installed, queue_of, tasks
from regard.runs.find import find_runs, successes, try_read
from regard.runs.folder import RunFolder
from regard.runs.status.content import elapsed_seconds
from regard.runs.status.outcome import resume_hint
from regard.runs.sweep import is_search, readable_overrides
from regard.training.callbacks.metrics_file import latest_values

SPEED, LOSS = "train/tokens_per_second", "validation/loss"


class RunInfo(NamedTuple):
    """A snapshot of one run. Unknown values are None; ``elapsed`` is in seconds since the first start."""

    run: RunFolder
    state: str
    node: str | None
    step: int | None
    max_steps: int | None
    tokens_per_second: float | None
    validation_loss: float | None
    elapsed: float | None
    attempts: int
    note: str
    overrides: list[str]


def inspect_run(run: RunFolder, jobs: Mapping[str, Job] | None) -> RunInfo:
    """Return a snapshot of ``run`` from its folder and from the ``jobs`` in the queue (None if they are unknown).

    Raises RegardError, naming the file, if a file of the run folder is damaged.
    """
    status, values = run.status(), latest_values(run.metrics, ("step", SPEED, LOSS))
    name = run.job()
    job = jobs.get(name) if jobs and name else None
    state, note = status["status"], str(status.get("why", ""))
    if state == "submitted" and name and job is None and jobs is not None and is_installed():
        state, note = "lost", f"job {name} ended before the run started; see: regard logs {run.path}"
    if run.is_abandoned():
        state, note = "lost", f"the process that would have started it was killed; {resume_hint(run)}"
    if job is not None and job.state == "PENDING":
        note = f"job {name} is pending ({job.reason})"
    return RunInfo(
        run=run,
        state=state,
        node=(job.nodes if job else "") or (status["host"] if status["attempt"] else None),
        step=int(max(values.get("step", 0), status.get("step") or 0)) if status["attempt"] else None,
        max_steps=run.section("trainer").get("max_steps"),
        tokens_per_second=values.get(SPEED),
        validation_loss=values.get(LOSS),
        elapsed=elapsed_seconds(status),
        attempts=status["attempt"],
        note=note,
        overrides=readable_overrides(run),
    )


def has_ended(info: RunInfo, jobs: Mapping[str, Job] | None) -> bool:
    """Return whether the run is neither running nor submitted, and no job in the queue will continue it."""
    job = info.run.job()
    queued = job is not None and (jobs is None or job in jobs)
    return info.state not in ("running", "submitted") and not queued


class RunList(NamedTuple):
    """A snapshot of several runs.

    ended: whether all runs and searches have ended
    problems: messages about damaged folders, and about SLURM if it does not respond
    """

    infos: list[RunInfo]
    ended: bool
    problems: list[str]


def list_runs(paths: Sequence[Path]) -> RunList:
    """Return a snapshot of the runs in ``paths`` and their subfolders. A search has ended when its jobs have.

    If SLURM does not respond, the result comes from the folders alone. A damaged folder is reported as a problem and
    left out.
    """
    problems: list[str] = []
    runs, searches = find_runs(paths, problems.append), [RunFolder(path) for path in paths if is_search(path)]
    jobs = None
    try:
        jobs = queue_of([*runs, *searches])
    except RegardError as error:
        problems.append(str(error))
    infos = list(successes((try_read(lambda run: inspect_run(run, jobs), run) for run in runs), problems.append))
    searching = any(job and (jobs is None or tasks(job, jobs)) for job in (search.job() for search in searches))
    return RunList(infos, not searching and all(has_ended(info, jobs) for info in infos), problems)


def json_object(info: RunInfo) -> dict[str, Any]:
    """Return ``info`` as an object for `regard jobs --json`."""
    return info._asdict() | {"run": str(info.run.path)}


def short_names(runs: Sequence[RunFolder]) -> list[str]:
    """Return the paths without their common parent; the last two parts for a single run."""
    paths = [run.path.absolute() for run in runs]
    if len(paths) < 2:
        return ["/".join(path.parts[-2:]) for path in paths]
    shared = len(Path(os.path.commonpath(paths)).parts)
    return ["/".join(path.parts[shared:]) or path.name for path in paths]
