"""Measures of all heads of a model that writes text."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from regard.analysis.head_report import PICTURES, HeadReport, Warn
from regard.analysis.sample import TextSample, sample_files, sample_run
from regard.errors import UsageError
from regard.inference.generator import TextGenerator
from regard.observe.draw.heads_image import draw_curves, draw_heads, head_curves
from regard.observe.measure.ablation import attention_modules
from regard.observe.measure.head_measures import ALL_MEASURES, HeadMeasures, measure_heads
from regard.observe.measure.heads import RARE_SHARE
from regard.observe.record.forced import batch_maps
from regard.runs.folder import RunFolder
from regard.training.callbacks.metrics_file import read_rows

COLUMNS = ("map", "head", *ALL_MEASURES)
SHORT_NAMES = {"maximum": "max", "distance": "dist", "previous": "prev", "punctuation": "punct", "induction": "induct"}
SHORT_NAMES |= {"agreement": "agree", "pointing": "point", "importance": "import"}


def report_text_heads(
    generator: TextGenerator,
    run: RunFolder | None,
    count: int | None,
    source: Path | None,
    target: Path | None,
    gold: Path | None,
    warn: Warn,
) -> HeadReport:
    """Measure all heads on ``count`` examples: of the run, or of the user's files if they are given.

    See `regard.analysis.sample`. Raises UsageError for a model without attention weights.
    """
    if run is None or source is not None or target is not None:
        sample = sample_files(generator, source, target, count, gold, warn)
    else:
        sample = sample_run(run, generator, count, gold, warn)
    _require_heads(generator, sample)
    warn(_describe_passes(generator, sample))
    found = measure_heads(generator, sample.batches, sample.links, sample.mentions)
    heads, over_time = PICTURES
    figures: dict[str, Figure] = {heads: draw_heads(found.heads, f"measured on {sample.description}")}
    curves = head_curves(read_rows(run.metrics)) if run is not None and run.metrics.exists() else {}
    if curves:
        figures[over_time] = draw_curves(curves, "mean over the sentences that are recorded at each validation")
    return HeadReport(list(found.rows()), COLUMNS, head_table(found), _describe_measures(found, sample), figures)


def _require_heads(generator: TextGenerator, sample: TextSample) -> None:
    """Raise UsageError for a model without attention weights."""
    _, maps = next(batch_maps(generator, sample.batches[0]))
    if not maps.maps:
        raise UsageError(
            "the model has no attention heads to measure: its mixer is not attention; regard attend shows what it has"
        )


def _describe_passes(generator: TextGenerator, sample: TextSample) -> str:
    """Describe the work of `measure_heads`, which may take long."""
    heads = sum(attention.num_heads for attention in attention_modules(generator.model).values())
    tokens = sum(batch.step_tokens for batch in sample.batches)
    passes = f"{heads + 1} passes: one with all heads, then one without each head"
    return f"measuring {sample.description} ({tokens:,} target tokens) in {passes}"


def _describe_measures(found: HeadMeasures, sample: TextSample) -> list[str]:
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
