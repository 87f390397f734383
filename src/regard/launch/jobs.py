"""What runs are doing: from their folders, and from squeue where there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from regard.errors import RegardError
from regard.launch.slurm import Job, is_here, queue_of, tasks
from regard.runs.find import find_runs, successes, try_read
from regard.runs.folder import RunFolder
from regard.runs.status.content import elapsed_seconds
from regard.runs.sweep import is_search, readable_overrides
from regard.training.callbacks.metrics_file import latest_values

SPEED, LOSS = "train/tokens_per_second", "validation/loss"


class RunInfo(NamedTuple):
    """One run at a moment. What is not known is None; ``elapsed`` is in seconds, from the first start on."""

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
    """What ``run`` is doing, by its folder and the ``jobs`` in the queue, None where they are not known.

    Raises RegardError, naming the file, if its folder is damaged.
    """
    status, values = run.status(), latest_values(run.metrics, ("step", SPEED, LOSS))
    name = run.job()
    job = jobs.get(name) if jobs and name else None
    state, note = status["status"], str(status.get("why", ""))
    if state == "submitted" and name and job is None and jobs is not None and is_here():
        state, note = "lost", f"job {name} has ended without beginning; look at: regard logs {run.path}"
    if job is not None and job.state == "PENDING":
        note = f"job {name} waits ({job.reason})"
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


def is_over(seen: RunInfo, jobs: Mapping[str, Job] | None) -> bool:
    """Whether nothing will happen to it by itself, as far as is known."""
    job = seen.run.job()
    waits = job is not None and (jobs is None or job in jobs)
    return seen.state not in ("running", "submitted") and not waits


class RunList(NamedTuple):
    """Runs at a moment; whether all is over; and what is wrong: folders that are damaged, SLURM if it is silent."""

    seen: list[RunInfo]
    over: bool
    problems: list[str]


def list_runs(paths: Sequence[Path]) -> RunList:
    """The runs at or below ``paths``; a search is over when none of its jobs is left.

    If SLURM does not answer, the folders tell what they can. A damaged folder is a problem, and the others are seen.
    """
    problems: list[str] = []
    runs, searches = find_runs(paths, problems.append), [RunFolder(path) for path in paths if is_search(path)]
    jobs = None
    try:
        jobs = queue_of([*runs, *searches])
    except RegardError as error:
        problems.append(str(error))
    seen = list(successes((try_read(lambda run: inspect_run(run, jobs), run) for run in runs), problems.append))
    at_work = any(job and (jobs is None or tasks(job, jobs)) for job in (search.job() for search in searches))
    return RunList(seen, not at_work and all(is_over(each, jobs) for each in seen), problems)


def as_plain(seen: RunInfo) -> dict[str, Any]:
    """For JSON."""
    return seen._asdict() | {"run": str(seen.run.path)}


def short_names(runs: Sequence[RunFolder]) -> list[str]:
    """Paths without what all of them share."""
    paths = [run.path.absolute() for run in runs]
    if len(paths) < 2:
        return ["/".join(path.parts[-2:]) for path in paths]
    shared = len(Path(os.path.commonpath(paths)).parts)
    return ["/".join(path.parts[shared:]) or path.name for path in paths]
