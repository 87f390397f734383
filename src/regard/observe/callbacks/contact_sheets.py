"""Write contact sheets of the drawn images during training."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.inference.drawing.text_to_image import TextToImage
from regard.observe.draw.contact_sheet import Captioned, write_sheet
from regard.training.task import Task


class ContactSheets(pl.Callback):
    """Writes the images of the first ``count`` validation prompts after each validation.

    They go to ``samples/step-STEP.png`` in the run folder and, as the image ``samples``, to Weights & Biases.
    """

    generators: ClassVar = (TextToImage,)
    """Kinds of models whose outputs it can show."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder / "samples", count

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the sheets after the step of the checkpoint; training writes them again."""
        if trainer.is_global_zero:
            for path in self.folder.glob("step-*.png"):
                if int(path.stem.removeprefix("step-")) > trainer.global_step:
                    path.unlink()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the sheet on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        images = [Captioned(sample.source, sample.output) for sample in pl_module.samples[: self.count]]
        if not images:
            return
        path = self.folder / f"step-{trainer.global_step:07d}.png"
        write_sheet(path, images, columns=8)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [str(path)], step=trainer.global_step)
