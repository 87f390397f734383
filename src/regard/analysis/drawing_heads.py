"""Measures of all heads of a model that draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from rich.table import Table
from rich.text import Text

from regard.analysis.align import evenly_spaced
from regard.analysis.head_report import PICTURES, HeadReport, Warn
from regard.data.batching import Batch, Item
from regard.data.corpora.captions.judged import JudgedCorpus, Mentioned, WordKinds
from regard.data.text_to_image import TextToImageData
from regard.errors import UsageError
from regard.inference.drawing.text_to_image import TextToImage
from regard.instantiate import build
from regard.observe.draw.drawing.heads import draw_drawing_heads
from regard.observe.measure.ablation import attention_modules, head_importance
from regard.observe.measure.drawing_heads import TIMES, DrawingHeads, measure_drawing_heads
from regard.runs.corpus import load_corpus
from regard.runs.folder import RunFolder
from regard.training.objectives.objective import Objective

IMAGES = 200
"""Default size of the sample."""
BATCH = 32
"""Images in a batch. The importance of the heads is measured on the first one, since it needs a pass per head."""
SHORT_NAMES = {
    "entropy": "entr",
    "distance": "dist",
    "pointing": "point",
    "overlap": "overl",
    "importance": "import",
    "relation": "relat",
}


class ImageSample(NamedTuple):
    """Batches of images and prompts, with what their corpus knows about their words.

    mentions: the words of each prompt that name an object, by row
    kinds: see `regard.data.corpora.captions.judged.WordKinds`
    """

    batches: list[Batch]
    size: int
    mentions: dict[int, Sequence[Mentioned]]
    kinds: Mapping[str, str]


def report_drawing_heads(generator: TextToImage, run: RunFolder | None, count: int | None, warn: Warn) -> HeadReport:
    """Measure all heads on ``count`` validation images of the run, with noise.

    Raises UsageError without a run.
    """
    if run is None:
        raise UsageError("RUN is a checkpoint: an image model is measured on the images of its run; give a run folder")
    sample = sample_images(run, count or IMAGES, warn)
    heads = sum(attention.num_heads for attention in attention_modules(generator.model).values())
    few = len(sample.batches[0].rows)
    warn(
        f"measuring {sample.size} validation images at {len(TIMES)} times; the importance of heads on {few} of them in "
        f"{heads + 1} passes: one with all heads, then one without each head"
    )
    objective: Objective = build(run.config()["task"]["objective"])
    loss, importance = head_importance(
        generator.model, lambda: validation_loss(generator, objective, sample.batches[0])
    )
    found = measure_drawing_heads(generator, sample.batches, sample.mentions, sample.kinds, importance)
    about = f"measured on {sample.size} validation images with noise, in the mean of the maps over {len(TIMES)} times"
    lines = [
        f"{about}: {', '.join(f'{time:g}' for time in TIMES)} (0 is noise, 1 is the image)",
        f"import: on the first {few} images, with the loss {loss:.4f} of the objective",
    ]
    if found.words:
        words = ", ".join(f"{number:,} of {kind}" for kind, number in found.words.items())
        lines.append(f"point, overl, own: words with an object: {words}")
    lines += ["mean: the mean weights of the heads; uniform: uniform weights", "heads.png describes the columns"]
    rows = list(found.rows())
    columns = [name for name in _columns(found) if name != "times"]
    figures = {PICTURES[0]: draw_drawing_heads(found, about)}
    return HeadReport(rows, columns, _table(rows, columns), lines, figures)


def sample_images(run: RunFolder, count: int, warn: Warn) -> ImageSample:
    """Sample ``count`` evenly spaced images of the validation part."""
    data = load_corpus(run, warn)
    if not isinstance(data, TextToImageData):
        raise TypeError("a model that draws has images as targets")
    records = list(data.records("validation"))
    rows = evenly_spaced(len(records), count)
    dataset, _ = data.evaluation("validation")
    batches = [dataset[Item(rows[at : at + BATCH], len(rows), -1)] for at in range(0, len(rows), BATCH)]
    corpus = data.corpus
    mentions: dict[int, Sequence[Mentioned]] = {}
    if isinstance(corpus, JudgedCorpus):
        mentions = {row: corpus.mentions(*records[row]) for row in rows}
    return ImageSample(batches, len(rows), mentions, corpus.word_kinds if isinstance(corpus, WordKinds) else {})


@torch.inference_mode()
def validation_loss(generator: TextToImage, objective: Objective, batch: Batch) -> float:
    """Return the loss of a batch, as in a validation."""
    sums = objective.sums(generator.model, batch.on(generator.device))
    return objective.metrics(sums.double().cpu())["loss"]


def _columns(found: DrawingHeads) -> list[str]:
    return ["map", "head", "entropy", "distance", *(name for name in found.values if name != "entropy"), "importance"]


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Table:
    """Return a table with a row per head; undefined measures are empty."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        words = [SHORT_NAMES.get(word, word) for word in name.split("_")]
        table.add_column("\n".join(words), justify="left" if name == "map" else "right", no_wrap=True)
    previous = rows[0]["map"]
    for row in rows:
        if row["map"] != previous:
            table.add_section()
        previous = row["map"]
        table.add_row(
            *(Text(_cell(name, row.get(name)), "dim" if row["head"] == "uniform" else "") for name in columns)
        )
    return table


def _cell(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if name == "importance" else f"{value:.2f}"
    return "" if value is None else str(value)
