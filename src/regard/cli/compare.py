"""The verb compare."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, warn
from regard.errors import RegardError, UsageError

if TYPE_CHECKING:
    from regard.compare.run import ComparedRun
    from regard.runs.folder import RunFolder


class Mode(StrEnum):
    """Whether small or large values of the metric are good."""

    MIN = "min"
    MAX = "max"


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN|SWEEP|GLOB ...", help="Run folders, or folders that contain them.")
    ],
    metric: Annotated[
        str | None, typer.Option(help="Metric to sort by. Default: the metric that selects the best checkpoint.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="min or max is better. Default: as configured in the runs.")] = None,
    output: Annotated[Path, typer.Option(help="HTML file of the page.")] = Path("compare.html"),
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write the complete table to this file.")] = None,
) -> None:
    """Compare runs: print a table, and write a self-contained page of curves, parameters, samples and differences."""
    from rich.console import Console

    from regard.compare.comparison import compare as compare_runs
    from regard.compare.page import write_page
    from regard.compare.table import as_csv, print_comparison
    from regard.files import replacing, require_writable

    require_writable("--output", output)
    if csv is not None:
        require_writable("--csv", csv)
        if csv.resolve() == output.resolve():
            raise UsageError(f"--csv {csv}: the page is written to this file; give another --csv or --output")
    console = Console()
    with _without_garbage_collection():
        found = list(_read(list(_expand(runs))))
        if not found:
            raise UsageError("no runs to compare: expected run folders, sweeps, or runs/ for all runs")
        comparison = compare_runs(found, metric, None if mode is None else mode.value)
        print_comparison(comparison, console)
        try:
            write_page(output, comparison)
            if csv is not None:
                csv.parent.mkdir(parents=True, exist_ok=True)
                with replacing(csv) as beside:
                    beside.write_text(as_csv(comparison), encoding="utf-8", errors="replace", newline="")
        except OSError as error:
            raise UsageError(f"{error.filename or output}: cannot be written ({error.strerror})") from error
    for run in found:
        for note in run.notes:
            warn(f"{run.folder.path}: {note}")
    console.print(f"page  {output}", soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection. With many runs, it takes a tenth of the time and finds nothing to free."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _expand(paths: list[Path]) -> Iterator[Path]:
    """Expand * and ? in paths, if the shell has not done so."""
    for path in paths:
        matching: list[Path] = []
        with suppress(ValueError):  # an invalid pattern is reported as a missing path
            matching = [] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        yield from matching or [path]


def _read(paths: list[Path]) -> Iterator[ComparedRun]:
    """Read the runs at ``paths``, each once. Report and skip what is damaged or not a run."""
    from regard.compare.run import read_runs
    from regard.launch.jobs import short_names
    from regard.runs.find import find_runs

    folders: dict[Path, RunFolder] = {}
    for path in paths:
        try:
            folders |= {run.path.resolve(): run for run in find_runs([path], warn)}
        except RegardError as error:
            warn(f"{error}; left out")
    runs = list(folders.values())
    return read_runs(list(zip(short_names(runs), runs, strict=True)), warn)
