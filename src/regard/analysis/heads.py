"""Measures of all heads of a model: as a table, as images, and in the W&B run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from regard.analysis.sample import TextSample
from regard.errors import RegardError, UsageError
from regard.files import replacing
from regard.inference.generator import TextGenerator
from regard.instantiate import build
from regard.observe.draw.heads_image import draw_curves, draw_heads, head_curves
from regard.observe.draw.image import png_bytes
from regard.observe.measure.ablation import attention_modules
from regard.observe.measure.head_measures import ALL_MEASURES, HeadMeasures, measure_heads
from regard.observe.measure.heads import RARE_SHARE
from regard.observe.record.forced import batch_maps
from regard.observe.wandb.dashboard import finish_loggers
from regard.runs.folder import RunFolder
from regard.runs.sweep import group_and_tags
from regard.training.callbacks.metrics_file import latest_values, read_rows

PICTURES = ("heads.png", "curves.png")
COLUMNS = ("map", "head", *ALL_MEASURES)
SHORT_NAMES = {"maximum": "max", "distance": "dist", "previous": "prev", "punctuation": "punct", "induction": "induct"}
SHORT_NAMES |= {"agreement": "agree", "pointing": "point", "importance": "import"}


def measure_sample(generator: TextGenerator, sample: TextSample) -> HeadMeasures:
    """Compute all measures of all heads of the model on the sample."""
    return measure_heads(generator, sample.batches, sample.links, sample.mentions)


def require_heads(generator: TextGenerator, sample: TextSample) -> None:
    """Raise UsageError for a model without attention weights."""
    _, maps = next(batch_maps(generator, sample.batches[0]))
    if not maps.maps:
        raise UsageError(
            "the model has no attention heads to measure: its mixer is not attention; regard attend shows what it has"
        )


def describe_passes(generator: TextGenerator, sample: TextSample) -> str:
    """Describe the work of `measure_sample`, which may take long."""
    heads = sum(attention.num_heads for attention in attention_modules(generator.model).values())
    tokens = sum(batch.step_tokens for batch in sample.batches)
    passes = f"{heads + 1} passes: one with all heads, then one without each head"
    return f"measuring {sample.description} ({tokens:,} target tokens) in {passes}"


def describe_measures(found: HeadMeasures, sample: TextSample) -> list[str]:
    """Return lines that describe how the measures were computed."""
    sources, targets = found.rare
    rare = f"{targets} target tokens" + (f" and {sources} source tokens" if sample.links else "")
    lines = [
        f"measured on {sample.description}; loss {found.loss:.4f} nats per token",
        f"rare: the rarest tokens, together at most {RARE_SHARE:.0%} of the sample: {rare}",
    ]
    if sample.reference:
        lines.append(f"agreement: with {sample.reference}")
    if sample.mentions:
        words = sum(map(len, sample.mentions.values()))
        lines.append(f"pointing: {words:,} colours and nouns; uniform: a patch at random")
    return [*lines, "uniform: a head with uniform weights", "heads.png describes the columns"]


def head_table(found: HeadMeasures) -> Table:
    """Return a table with a row per head, and per map a row for uniform weights; undefined measures are empty."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    columns = [name for name in COLUMNS if name not in ALL_MEASURES or any(name in row for row in found.rows())]
    for name in columns:
        table.add_column(SHORT_NAMES.get(name, name), justify="left" if name == "map" else "right", no_wrap=True)
    for row in found.rows():
        is_uniform = row["head"] == "uniform"
        cells = [f"{row[m]:.4f}" if m == "importance" else f"{row[m]:.2f}" for m in ALL_MEASURES if m in row]
        values = dict(zip((m for m in ALL_MEASURES if m in row), cells, strict=True))
        style = "dim" if is_uniform else ""
        table.add_row(
            *(Text(str(row[c]), style) for c in ("map", "head")),
            *(Text(values.get(m, ""), style) for m in columns if m in ALL_MEASURES),
        )
        if is_uniform:
            table.add_section()
    return table


def write_pictures(found: HeadMeasures, sample: TextSample, run: RunFolder | None, folder: Path) -> list[Path]:
    """Write heads.png to ``folder``, and curves.png if metrics.csv of the run has head measures; return the paths.

    Raises RegardError if the files cannot be written.
    """
    heads, over_time = PICTURES
    figures: dict[str, Figure] = {heads: draw_heads(found.heads, f"measured on {sample.description}")}
    curves = head_curves(read_rows(run.metrics)) if run is not None and run.metrics.exists() else {}
    if curves:
        figures[over_time] = draw_curves(curves, "mean over the sentences that are recorded at each validation")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            with replacing(folder / name) as beside:
                beside.write_bytes(png_bytes(figure))
    except OSError as error:
        raise RegardError(
            f"{folder}: cannot be written ({error.strerror}); choose another path with --output"
        ) from error
    return [folder / name for name in figures]


def require_not_running(run: RunFolder) -> None:
    """Raise UsageError if the run is running: only one process at a time can log to a W&B run."""
    if run.status()["status"] == "running":
        raise UsageError(f"{run.path} is running, and so is its W&B run; wait until it ends, or omit --wandb")


def log_to_wandb(run: RunFolder, found: HeadMeasures, pictures: list[Path]) -> None:
    """Add the table ``heads`` and the images to the W&B run of the run, online or offline as configured.

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
    rows = [
        [row.get(column) for column in COLUMNS] for row in ({**row, "head": str(row["head"])} for row in found.rows())
    ]
    media: dict[str, Any] = {"heads": wandb.Table(list(COLUMNS), rows)}
    media |= {f"heads/{path.stem}": wandb.Image(str(path)) for path in pictures}
    logger.add(media, int(latest_values(run.metrics, ("step",)).get("step", 0)))
    summary = run.path / "summary.json"
    finish_loggers([logger], json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else None)
