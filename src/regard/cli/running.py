"""The verbs that begin runs, go on with them, and look after them."""

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
    """Compose, check and freeze a run, then train it. Hydra's overrides and options (--cfg job, --info, --help)."""
    from regard.config.compose import compose_points, freeze
    from regard.launch.start import start

    points = compose_points(context.args)
    if points:
        raise typer.Exit(start(freeze(points)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[KEY=VALUE ...]",
)
def search(context: typer.Context) -> None:
    """Search for good hyperparameters with Optuna: search=tpe '+search.space.optimizer.lr={low: 1e-4, high: 1e-2}'."""
    from regard.search.start import start_search

    raise typer.Exit(start_search(context.args))


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN|SWEEP", help="A run folder, or a sweep's.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]")] = None,
) -> None:
    """Go on with a run that was stopped, with all of a sweep that are not finished, or with a search.

    Only trainer.max_steps, trainer.devices, trainer.num_nodes and the launcher (hydra/launcher=...) may change.
    """
    from regard.launch.resume import resume
    from regard.runs.sweep import is_search

    if is_search(run):
        from regard.search.start import resume_search

        raise typer.Exit(resume_search(run, overrides or []))
    runs, damaged = _intact([run])
    raise typer.Exit(max(damaged, resume(runs, overrides or []) if runs else 0))


@app.command()
def jobs(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[SWEEP|RUN ...]", help="All of runs/ if not given.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until all are over.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="All columns whole, wider than the terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each run.")] = False,
) -> None:
    """What runs are doing: state, step, validation loss, speed, node; from their folders, and from squeue."""
    import json

    from regard.launch.jobs import as_plain, list_runs
    from regard.runs.sweep import is_search

    paths = runs or [Path("runs")]
    if as_json:
        found = list_runs(paths)
        for problem in found.problems:
            warn(problem)
        for seen in found.seen:
            print(json.dumps(as_plain(seen), ensure_ascii=False))
    else:
        from rich.console import Console

        from regard.launch.jobs_table import show

        show(paths, not runs, watch, wide, Console())
        for folder in filter(is_search, runs or []):
            from regard.search.start import describe_best

            print(describe_best(folder) or "no trial has come to its end yet")


@app.command()
def cancel(runs: Annotated[list[Path], typer.Argument(metavar="SWEEP|SEARCH|RUN ...")]) -> None:
    """End runs that work or wait; those that work save their state. `regard resume` goes on with them after all."""
    from regard.launch.cancel import cancel as end
    from regard.launch.cancel import cancel_search
    from regard.runs.sweep import is_search

    found, damaged = _intact(runs)
    for folder in filter(is_search, runs):
        cancel_search(folder)
    ended = end(found)
    print(f"{len(ended)} of {len(found)} runs cancelled")
    raise typer.Exit(damaged)


@app.command()
def retry(
    runs: Annotated[list[Path], typer.Argument(metavar="SWEEP|RUN ...")],
    status: Annotated[list[str] | None, typer.Option(help="Which: failed and lost ones if not given.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="What `regard resume` lets change.")
    ] = None,
) -> None:
    """Go on with the runs of a sweep that failed or were lost, and with no others."""
    from regard.launch.resume import retry as try_again

    found, damaged = _intact(runs)
    raise typer.Exit(max(damaged, try_again(found, status or ["failed", "lost"], overrides or [])))


@app.command()
def logs(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the latest, of each file.")] = 50,
) -> None:
    """What a run has logged (log.txt), and what its processes printed where no terminal showed it (console.txt)."""
    from regard.runs.folder import RunFolder

    folder = RunFolder.open(run)
    files = [path for path in (folder.console, folder.path / "log.txt") if follow or path.exists()]
    if not files:
        print(f"{run}: nothing yet; its status is {folder.status()['status']}")
        return
    sys.stdout.flush()
    os.execvp("tail", ["tail", f"--lines={lines}", *(["-F"] if follow else []), *map(str, files)])


def _intact(paths: list[Path]) -> tuple[list[RunFolder], int]:
    """The runs at or below ``paths`` that can be read, and the exit code: 1 if a damaged one was left out."""
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
