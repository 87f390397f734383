"""Looking at attention while the model learns."""

from __future__ import annotations

import io
import warnings
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.model.language import LanguageModel
from regard.model.translator import Translator
from regard.observe.image import draw_layer, png
from regard.observe.maps import entropy, save_maps
from regard.observe.page import render_page
from regard.observe.recording import Regarded, record_attention, record_reading
from regard.training.journal import Journal
from regard.training.task import Task


class AttentionProbe(pl.Callback):
    """After each validation, records what the model attends to in a few sentences that stay the same.

    They are the first of the validation part that have at most ``longest`` tokens; of a language model, the begins
    of its documents. In the run's folder ``attention/`` each validation leaves its maps (step-STEP.npz, at most
    ``megabytes``), and the page index.html, of at most ``page_megabytes``, shows the latest. The entropy of each head,
    a mean over the sentences, is a metric. To Weights & Biases goes one image a layer of the first ``images``
    sentences.
    """

    def __init__(
        self,
        folder: Path,
        sentences: int,
        megabytes: int,
        images: int = 1,
        longest: int = 30,
        page_megabytes: int = 16,
    ) -> None:
        self.folder = folder / "attention"
        self.sentences, self.megabytes, self.images, self.longest = sentences, megabytes, images, longest
        self.page_megabytes = page_megabytes
        self._chosen: list[str] | None = None
        self._warned = False  # of the page, which is much the same after each validation

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record, draw and log, on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        if self._chosen is None:
            self._chosen = self._choose(pl_module)
        if pl_module.model.encoder is None:
            language_model = LanguageModel(pl_module.model, pl_module.target_tokenizer)
            regarded = [record_reading(language_model, text) for text in self._chosen]
        else:
            translator = Translator(pl_module.model, pl_module.source_tokenizer, pl_module.target_tokenizer)
            regarded = [record_attention(translator, source) for source in self._chosen]
        if regarded:
            self._keep(trainer, regarded)
            self._log(trainer, regarded)

    def _choose(self, task: Task) -> list[str]:
        tokenizer = task.source_tokenizer
        texts = (record[0] for record in task.data.records("validation") if record[0].strip())
        if task.model.encoder is None:
            # A document may be a whole corpus: its beginning is enough, a token has some 20 bytes at most.
            begins = (tokenizer.decode(tokenizer.encode(text[: 20 * self.longest])[: self.longest]) for text in texts)
            return [*islice(begins, self.sentences)]
        return [*islice((text for text in texts if len(tokenizer.encode(text)) < self.longest), self.sentences)]

    def _keep(self, trainer: pl.Trainer, regarded: list[Regarded]) -> None:
        self.folder.mkdir(exist_ok=True)
        maps = [one.maps for one in regarded]
        path = self.folder / f"step-{trainer.global_step:07d}.npz"
        left_out = save_maps(path, maps, max_bytes=self.megabytes << 20)
        if left_out:
            warnings.warn(
                f"{path}: {left_out} of {len(maps)} probe sentences left out, over "
                f"callbacks.attention.megabytes={self.megabytes}",
                stacklevel=2,
            )
        facts = {"step": f"{trainer.global_step:,}"}
        page = self.folder / "index.html"
        title, size = "What the model attends to", self.page_megabytes << 20
        omitted = render_page(page, regarded, title, self.folder.parent.name, facts, max_bytes=size)
        if str(omitted) and not self._warned:
            self._warned = True
            warnings.warn(
                f"{page}: {omitted} left out, over callbacks.attention.page_megabytes={self.page_megabytes}",
                stacklevel=2,
            )

    def _log(self, trainer: pl.Trainer, regarded: list[Regarded]) -> None:
        names = list(regarded[0].maps.maps)
        entropies: dict[str, float] = {}
        for name in names:
            heads = np.mean([entropy(one.maps.maps[name]) for one in regarded], axis=0)
            entropies.update({f"attention/{name}/entropy/{head}": float(h) for head, h in enumerate(heads)})
        for callback in cast(Any, trainer).callbacks:  # which Lightning sets and does not declare
            if isinstance(callback, Journal):
                callback.write(trainer, entropies)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for name in names:
                    pictures = [_picture(one, name) for one in regarded[: self.images]]
                    captions = [" → ".join(filter(None, (one.source, one.target))) for one in regarded[: self.images]]
                    logger.log_image(f"attention/{name}", pictures, trainer.global_step, caption=captions)


def _picture(regarded: Regarded, name: str) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(png(draw_layer(regarded.maps, name))))
