"""Record the attention of drawn images during training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.observe.draw.drawing.attend import TITLE
from regard.observe.draw.drawing.page import render_drawings
from regard.observe.draw.drawing.picture import draw_drawing
from regard.observe.draw.image import png_bytes
from regard.observe.record.drawing import DrawingTrace, trace_drawings
from regard.training.scorers.drawing import DrawingScorer
from regard.training.task import Task


class DrawingProbe(pl.Callback):
    """Draws a few prompts after each validation and shows the attention of each step.

    The page ``attention/index.html`` in the run folder shows the latest validation. Weights & Biases gets a picture of
    each drawing, ``attention/drawings``. The settings are those of a `DrawingScorer`. Validation prompts start from the
    same noise as in the validation, the user's own prompts from that of seed 0.

    folder: the run folder
    texts: the user's own prompts
    prompts: number of first validation prompts
    page_megabytes: maximum size of the page, which states what is left out
    """

    generators: ClassVar = (TextToImage,)
    """Kinds of models whose outputs it can show."""

    def __init__(self, folder: Path, prompts: int, page_megabytes: int = 4, texts: Sequence[str] = ()) -> None:
        self.folder, self.prompts, self.page_megabytes = folder / "attention", prompts, page_megabytes
        self.texts = list(texts)
        self._wanted: list[tuple[str, Wanted]] | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, write the page and log on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        generator = pl_module.generator
        if not isinstance(generator, TextToImage):
            raise TypeError("this callback records models that draw")
        if self._wanted is None:
            self._wanted = self._select(pl_module)
        if not self._wanted:
            return
        scorer = pl_module.scorer
        drawing = scorer.drawing if isinstance(scorer, DrawingScorer) else Drawing()
        traces = trace_drawings(generator, [wanted for _, wanted in self._wanted], drawing)
        reasons = [reason for reason, _ in self._wanted]
        facts = {"step": f"{trainer.global_step:,}", "sampling steps": str(drawing.steps)}
        facts |= {"guidance": f"{drawing.guidance:g}", "solver": drawing.solver}
        run, size = self.folder.parent.name, self.page_megabytes << 20
        render_drawings(self.folder / "index.html", traces, TITLE, run, facts, size, reasons)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                _log_pictures(logger, trainer.global_step, traces)

    def _select(self, task: Task) -> list[tuple[str, Wanted]]:
        """Return the reason and the prompt of each drawing: the user's own, then those of the validation part."""
        given = task.scorer.given_examples(task, self.texts)
        first = task.scorer.fixed_examples(task, self.prompts, task.generator.model.max_length)
        return [
            *((each.reason, Wanted(each.key, 0)) for each in given),
            *((each.reason, Wanted(each.key, number)) for number, each in enumerate(first)),
        ]


def _log_pictures(logger: WandbLogger, step: int, traces: Sequence[DrawingTrace]) -> None:
    with TemporaryDirectory() as folder:  # W&B copies files
        paths = [Path(folder) / f"{number}.png" for number in range(len(traces))]
        for path, trace in zip(paths, traces, strict=True):
            path.write_bytes(png_bytes(draw_drawing(trace)))
        captions = [trace.wanted.prompt for trace in traces]
        logger.log_image("attention/drawings", [str(path) for path in paths], step=step, caption=captions)
