"""The verb that compares runs."""

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
    """Which values of the metric are good."""

    MIN = "min"
    MAX = "max"


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN|SWEEP|GLOB ...", help="Run folders, or folders of them.")],
    metric: Annotated[
        str | None, typer.Option(help="Sort by it; what the best checkpoint is kept by, if not given.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="min or max is good; as the runs say, if not given.")] = None,
    output: Annotated[Path, typer.Option(help="The page.")] = Path("compare.html"),
    csv: Annotated[Path | None, typer.Option("--csv", help="The table with all there is, too.")] = None,
) -> None:
    """Compare runs: a table, and one self-contained page of curves, parameters, samples and differences."""
    from rich.console import Console

    from regard.compare.comparison import compare as compare_runs
    from regard.compare.page import write_page
    from regard.compare.table import as_csv, print_comparison
    from regard.files import replacing, require_writable

    require_writable("--output", output)
    if csv is not None:
        require_writable("--csv", csv)
        if csv.resolve() == output.resolve():
            raise UsageError(f"--csv {csv}: the page is written there; give another name, or another --output")
    console = Console()
    with _without_collector():
        found = list(_read(list(_spread(runs))))
        if not found:
            raise UsageError("no run to compare; give run folders, sweeps, or runs/ for all")
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
def _without_collector() -> Iterator[None]:
    """Many runs are many objects, all of them needed: looking for garbage would take a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _spread(paths: list[Path]) -> Iterator[Path]:
    """Paths with * and ? for what they stand for, where the shell has not done so."""
    for path in paths:
        matching: list[Path] = []
        with suppress(ValueError):  # not a pattern: then it is the name of nothing, which is said
            matching = [] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        yield from matching or [path]


def _read(paths: list[Path]) -> Iterator[ComparedRun]:
    """The runs at ``paths``, each once. What is not a run, or is damaged, is reported and left out."""
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
