"""What the heads of a run's model do: as a table, as pictures, and in the run's dashboard."""

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
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.instantiate import build
from regard.observe.draw.heads_image import draw_curves, draw_heads, head_curves
from regard.observe.draw.image import png_bytes
from regard.observe.measure.ablation import attention_modules
from regard.observe.measure.head_measures import ALL_MEASURES, HeadMeasures, measure_heads
from regard.observe.wandb.dashboard import finish_loggers
from regard.runs.folder import RunFolder
from regard.runs.sweep import group_and_tags
from regard.training.callbacks.metrics_file import latest_values, read_rows

PICTURES = ("heads.png", "curves.png")
COLUMNS = ("map", "head", *ALL_MEASURES)
SHORT = {"maximum": "max", "distance": "dist", "previous": "prev", "punctuation": "punct", "induction": "induct"}
SHORT |= {"agreement": "agree", "importance": "import"}


def measure_sample(model: Translator | LanguageModel, sample: TextSample) -> HeadMeasures:
    """Every measure of every head of the model on the sample.

    Raises UsageError for a model without attention.
    """
    if isinstance(model, Translator):
        tokenizers = model.source_tokenizer, model.target_tokenizer
    else:
        tokenizers = model.tokenizer, model.tokenizer
    found = measure_heads(model.model, *tokenizers, sample.batches, sample.links)
    if not found.heads:
        raise UsageError("the model has no attention heads to look at; its mixer is another")
    return found


def describe_passes(model: Translator | LanguageModel, sample: TextSample) -> str:
    """What `measure_sample` is about to do, which may take long."""
    heads = sum(attention.num_heads for attention in attention_modules(model.model).values())
    tokens = sum(batch.step_tokens for batch in sample.batches)
    return f"reading {sample.about} ({tokens:,} target tokens) {heads + 1} times: whole, and without each head in turn"


def describe_measures(found: HeadMeasures, sample: TextSample) -> list[str]:
    """How the measures were made, a line each."""
    sources, targets = found.rare
    rare = f"{targets} of the decoder's tokens" + (f", {sources} of the encoder's" if sample.links else "")
    said = [
        f"over {sample.about}; the loss there is {found.loss:.4f} nats a token",
        f"rare: tokens whose occurrences, counted in this sample, are together at most a tenth of it: {rare}",
    ]
    if sample.whose_links:
        said.append(f"agreement is with {sample.whose_links}")
    return [*said, "uniform: what a head would have that reads all it sees alike"]


def head_table(found: HeadMeasures) -> Table:
    """A row a head, and one a map for a head that reads all alike; what a map cannot have is left empty."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in COLUMNS:
        table.add_column(SHORT.get(name, name), justify="left" if name == "map" else "right", no_wrap=True)
    for row in found.rows():
        even = row["head"] == "uniform"
        cells = [f"{row[m]:.4f}" if m == "importance" else f"{row[m]:.2f}" for m in ALL_MEASURES if m in row]
        values = dict(zip((m for m in ALL_MEASURES if m in row), cells, strict=True))
        style = "dim" if even else ""
        table.add_row(
            *(Text(str(row[c]), style) for c in ("map", "head")),
            *(Text(values.get(m, ""), style) for m in ALL_MEASURES),
        )
        if even:
            table.add_section()
    return table


def write_pictures(found: HeadMeasures, sample: TextSample, run: RunFolder | None, folder: Path) -> list[Path]:
    """Write heads.png to ``folder``, and curves.png if the run's metrics.csv has the heads; their paths.

    Raises RegardError if they cannot be written.
    """
    heads, over_time = PICTURES
    figures: dict[str, Figure] = {heads: draw_heads(found.heads, f"measured over {sample.about}")}
    curves = head_curves(read_rows(run.metrics)) if run is not None and run.metrics.exists() else {}
    if curves:
        figures[over_time] = draw_curves(curves, "on the sentences that are probed at each validation")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            with replacing(folder / name) as beside:
                beside.write_bytes(png_bytes(figure))
    except OSError as error:
        raise RegardError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from error
    return [folder / name for name in figures]


def require_not_running(run: RunFolder) -> None:
    """Raise UsageError if the run is being worked on, or has no dashboard: W&B lets one process alone into a run."""
    if run.status()["status"] == "running":
        raise UsageError(f"{run.path} is running, and its W&B run with it; wait for its end, or leave --wandb out")


def log_to_wandb(run: RunFolder, found: HeadMeasures, pictures: list[Path]) -> None:
    """Add the table ``heads`` and the pictures to the run's own W&B run, in its folder, offline or online as it is.

    Raises UsageError for a run that has no dashboard.
    """
    import wandb

    from regard.observe.wandb.logger import ResumableWandbLogger

    config = run.config()
    group, tags = group_and_tags(run)
    attempt: int = run.status()["attempt"]
    logger: Any = build(config["logger"])(folder=run.path, config=config, group=group, tags=tags, attempt=attempt)
    if not isinstance(logger, ResumableWandbLogger):
        raise UsageError(f"{run.path}: its logger is not Weights & Biases, or is switched off; leave --wandb out")
    rows = [
        [row.get(column) for column in COLUMNS] for row in ({**row, "head": str(row["head"])} for row in found.rows())
    ]
    media: dict[str, Any] = {"heads": wandb.Table(list(COLUMNS), rows)}
    media |= {f"heads/{path.stem}": wandb.Image(str(path)) for path in pictures}
    logger.add(media, int(latest_values(run.metrics, ("step",)).get("step", 0)))
    summary = run.path / "summary.json"
    finish_loggers([logger], json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else None)
