"""Write example outputs during training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.files import replacing
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.language_model import LanguageModel
from regard.training.scorers.scorer import Sample
from regard.training.task import Task


class Samples(pl.Callback):
    """Writes the outputs for the first ``count`` validation sentences after each validation.

    They go to samples.jsonl in the run folder (one line per sentence: step, source, reference, output) and to a table
    in Weights & Biases.
    """

    generators: ClassVar = (EncoderDecoder, LanguageModel)
    """Kinds of models whose outputs it can show."""

    def __init__(self, folder: Path, count: int) -> None:
        self.path, self.count = folder / "samples.jsonl", count
        self._last_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop the samples after the step of the checkpoint; training writes them again."""
        if trainer.is_global_zero:
            self._keep(lambda step: step <= trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the samples on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        if self._last_step == trainer.global_step:  # the validation is repeated after a resume
            self._keep(lambda step: step < trainer.global_step)
        self._last_step = trainer.global_step
        samples = pl_module.samples[: self.count]
        with self.path.open("a", encoding="utf-8") as file:
            for sample in samples:
                row = {"step": trainer.global_step, **sample._asdict()}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and samples:
                rows = [list(sample) for sample in samples]
                logger.log_table("samples", list(Sample._fields), rows, step=trainer.global_step)

    def _keep(self, condition: Callable[[int], bool]) -> None:
        """Keep only the lines whose step satisfies ``condition``."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
            kept = [line for line in lines if condition(json.loads(line)["step"])]
            with replacing(self.path) as beside:
                beside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
            self._last_step = json.loads(kept[-1])["step"] if kept else -1
