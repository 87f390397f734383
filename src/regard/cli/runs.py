"""Verbs that start, resume, list and cancel runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, warn

if TYPE_CHECKING:
    from regard.runs.folder import RunFolder


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[KEY=VALUE ...]",
)
def train(context: typer.Context) -> None:
    """Compose, check, freeze and train a run. Takes Hydra overrides and options (--cfg job, --info, --help)."""
    from regard.config.compose import compose_points, freeze
    from regard.launch.start import check_machine, start

    points = compose_points(context.args)
    check_machine(config for config, _ in points)
    if points:
        raise typer.Exit(start(freeze(points)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[KEY=VALUE ...]",
)
def search(context: typer.Context) -> None:
    """Search hyperparameters with Optuna: search=tpe '+search.space.optimizer.lr={low: 1e-4, high: 1e-2}'."""
    from regard.search.start import start_search

    raise typer.Exit(start_search(context.args))


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN|SWEEP", help="Folder of a run, sweep or search.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]")] = None,
) -> None:
    """Resume a stopped run, all unfinished runs of a sweep, or a search.

    Only trainer.max_steps, trainer.devices, trainer.num_nodes and the launcher (hydra/launcher=...) may change.
    """
    from regard.launch.resume import resume
    from regard.runs.sweep import is_search

    if is_search(run):
        from regard.search.start import resume_search

        raise typer.Exit(resume_search(run, overrides or []))
    runs, damaged = _readable_runs([run])
    raise typer.Exit(max(damaged, resume(runs, overrides or []) if runs else 0))


@app.command()
def jobs(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[SWEEP|RUN ...]", help="Folders to list. Default: runs/.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Update the table until all runs have ended.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Do not cut columns to the width of the terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per run.")] = False,
) -> None:
    """List runs: state, step, validation loss, speed and node, from their folders and from squeue."""
    import json

    from regard.launch.jobs import json_object, list_runs
    from regard.runs.sweep import is_search

    paths = runs or [Path("runs")]
    if as_json:
        found = list_runs(paths)
        for problem in found.problems:
            warn(problem)
        for info in found.infos:
            print(json.dumps(json_object(info), ensure_ascii=False))
    else:
        from rich.console import Console

        from regard.launch.jobs_table import show

        show(paths, not runs, watch, wide, Console())
        for folder in filter(is_search, runs or []):
            from regard.search.start import describe_best

            print(describe_best(folder) or "no trial has finished yet")


@app.command()
def cancel(runs: Annotated[list[Path], typer.Argument(metavar="SWEEP|SEARCH|RUN ...")]) -> None:
    """Cancel runs. Running ones save a checkpoint first, and `regard resume` can resume them."""
    from regard.launch.cancel import cancel as cancel_runs
    from regard.launch.cancel import cancel_search
    from regard.runs.sweep import is_search

    found, damaged = _readable_runs(runs)
    for folder in filter(is_search, runs):
        cancel_search(folder)
    cancelled = cancel_runs(found)
    print(f"{len(cancelled)} of {len(found)} runs cancelled")
    raise typer.Exit(damaged)


@app.command()
def retry(
    runs: Annotated[list[Path], typer.Argument(metavar="SWEEP|RUN ...")],
    status: Annotated[
        list[str] | None, typer.Option(help="State of the runs to resume; can be repeated. Default: failed and lost.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override, as for `regard resume`.")
    ] = None,
) -> None:
    """Resume only the failed and lost runs of a sweep."""
    from regard.launch.resume import retry as retry_runs

    found, damaged = _readable_runs(runs)
    raise typer.Exit(max(damaged, retry_runs(found, status or ["failed", "lost"], overrides or [])))


@app.command()
def logs(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines as they are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of last lines of each file.")] = 50,
) -> None:
    """Print the log of a run (log.txt), and the output of its background processes (console.txt)."""
    from regard.runs.folder import RunFolder

    folder = RunFolder.open(run)
    files = [path for path in (folder.console, folder.path / "log.txt") if follow or path.exists()]
    if not files:
        print(f"{run}: no log yet; the run is {folder.status()['status']}")
        return
    sys.stdout.flush()
    os.execvp("tail", ["tail", f"--lines={lines}", *(["-F"] if follow else []), *map(str, files)])


def _readable_runs(paths: list[Path]) -> tuple[list[RunFolder], int]:
    """Return the readable runs at or below ``paths``, and an exit code: 1 if a damaged run was skipped."""
    from regard.runs.find import find_runs, successes, try_read

    problems: list[str] = []

    def read(run: RunFolder) -> RunFolder:
        run.status()
        run.config()
        return run

    found = find_runs(paths, problems.append)
    runs = list(successes((try_read(read, run) for run in found), problems.append))
    for problem in problems:
        warn(problem)
    return runs, int(bool(problems))
