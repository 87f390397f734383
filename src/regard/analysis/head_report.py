"""What `regard heads` reports, for any model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from rich.table import Table

from regard.errors import RegardError, UsageError
from regard.files import replacing
from regard.instantiate import build
from regard.observe.draw.image import png_bytes
from regard.observe.wandb.dashboard import finish_loggers
from regard.runs.folder import RunFolder
from regard.runs.sweep import group_and_tags
from regard.training.callbacks.metrics_file import latest_values

PICTURES = ("heads.png", "curves.png")
Warn = Callable[[str], None]


class HeadReport(NamedTuple):
    """The measures of all heads.

    rows: one dict per head; columns: those of the table in Weights & Biases
    table: for the terminal
    lines: how the measures were computed
    figures: by the name of the file
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    table: Table
    lines: Sequence[str]
    figures: Mapping[str, Figure]


def write_pictures(report: HeadReport, folder: Path) -> list[Path]:
    """Write the figures to ``folder``; return their paths. Raises RegardError if they cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in report.figures.items():
            with replacing(folder / name) as beside:
                beside.write_bytes(png_bytes(figure))
    except OSError as error:
        raise RegardError(
            f"{folder}: cannot be written ({error.strerror}); choose another path with --output"
        ) from error
    return [folder / name for name in report.figures]


def require_not_running(run: RunFolder) -> None:
    """Raise UsageError if the run is running: only one process at a time can log to a W&B run."""
    if run.status()["status"] == "running":
        raise UsageError(f"{run.path} is running, and so is its W&B run; wait until it ends, or omit --wandb")


def log_to_wandb(run: RunFolder, report: HeadReport, pictures: Sequence[Path]) -> None:
    """Add the table ``heads`` and the pictures to the W&B run of the run, online or offline as configured.

    Raises UsageError for a run without a W&B run.
    """
    import wandb

    from regard.observe.wandb.logger import ResumableWandbLogger

    config = run.config()
    group, tags = group_and_tags(run)
    attempt: int = run.status()["attempt"]
    logger: Any = build(config["logger"])(folder=run.path, config=config, group=group, tags=tags, attempt=attempt)
    if not isinstance(logger, ResumableWandbLogger):
        raise UsageError(f"{run.path}: its logger is not Weights & Biases, or is disabled; omit --wandb")
    rows = [[{**row, "head": str(row["head"])}.get(column) for column in report.columns] for row in report.rows]
    media: dict[str, Any] = {"heads": wandb.Table(list(report.columns), rows)}
    media |= {f"heads/{path.stem}": wandb.Image(str(path)) for path in pictures}
    logger.add(media, int(latest_values(run.metrics, ("step",)).get("step", 0)))
    summary = run.path / "summary.json"
    finish_loggers([logger], json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else None)
