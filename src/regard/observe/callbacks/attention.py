"""Record attention during training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.data.corpora.links import Links
from regard.errors import UsageError
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import TextGenerator
from regard.inference.language_model import LanguageModel
from regard.observe.callbacks.examples import ExampleSelector
from regard.observe.draw.image import overview_map
from regard.observe.draw.page import page_title, render_page
from regard.observe.measure.alignment import rank_aligners
from regard.observe.measure.heads import MEASURES, mean_measures, row_measures
from regard.observe.measure.occlusion import occlusion_links
from regard.observe.record.maps import SentenceMaps, save_maps, split_name
from regard.observe.record.mixers import describe_mixers
from regard.observe.record.trace import Trace, trace
from regard.training.callbacks.metrics import MetricsLogger
from regard.training.scorers.scorer import ProbeExample
from regard.training.task import Task


class AttentionProbe(pl.Callback):
    """Records the attention of a few sentences after each validation.

    Each validation writes its maps, if the model has any, to ``attention/step-STEP.npz`` in the run folder; the page
    ``attention/index.html`` shows the latest validation. Mixers without maps are named in the log; the page shows their
    kernels.

    folder: the run folder
    metrics_logger: receives the measures of the heads
    texts: the user's own sentences; for a language model, beginnings of documents
    sentences: number of validation sentences: the first ones of at most ``longest`` tokens, or the shortest ones if
        all are longer
    extremes: number of worst sentences, and of best sentences, of each validation (see `ExampleSelector`)
    measures: names in `regard.observe.measure.heads.MEASURES`, logged per head as
        ``attention/<map>/<measure>/<head>``: the mean over all sentences except the extremes
    megabytes: maximum size of the maps of one validation on disk
    page_megabytes: maximum size of the page; a warning names what is left out, once
    images: number of sentences for which W&B gets an image of all heads per map; 0 also for no image of the kernels
    dashboard_megabytes: maximum size of what is sent to W&B per validation
    """

    generators: ClassVar = (EncoderDecoder, LanguageModel)
    """Kinds of models whose outputs it can show."""

    def __init__(
        self,
        folder: Path,
        metrics_logger: MetricsLogger,
        sentences: int,
        megabytes: int,
        page_megabytes: int = 4,
        texts: Sequence[str] = (),
        extremes: int = 1,
        measures: Sequence[str] = ("entropy",),
        images: int = 1,
        longest: int = 30,
        dashboard_megabytes: float = 8.0,
    ) -> None:
        if unknown := [name for name in measures if name not in MEASURES]:
            raise UsageError(
                f"callbacks.attention.measures: unknown measure {unknown[0]}; choose from {', '.join(MEASURES)}"
            )
        self.folder, self.metrics_logger = folder / "attention", metrics_logger
        self.selector = ExampleSelector(texts, sentences, extremes, longest)
        self.measures, self.megabytes, self.page_megabytes = list(measures), megabytes, page_megabytes
        self.images, self.dashboard_megabytes = images, dashboard_megabytes
        self._fixed: list[ProbeExample] | None = None
        self._panels: Any = None
        self._warned, self._logged = False, ""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record, draw and log on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        if self._fixed is None:
            self._fixed = self.selector.select_fixed(pl_module)
        generator = pl_module.generator
        if not isinstance(generator, TextGenerator):
            raise TypeError("callbacks.attention records models that write text")
        examples = [*self._fixed, *self.selector.select_extremes(pl_module, self._fixed)]
        if not examples:
            return
        traces: list[Trace] = []
        for each in examples:
            mixers = traces[0].mixers if traces else None
            traces.append(trace(generator, each.given, each.forced, mixers=mixers))
        if (others := describe_mixers(traces[0].mixers)) and others != self._logged:
            self._logged = others
            logging.getLogger("regard").info("callbacks.attention: %s", others)
        self._log_measures(trainer, traces[: len(self._fixed)])
        page = self._write(trainer, traces, [each.reason for each in examples])
        if loggers := [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]:
            from regard.observe.wandb.panels import Panels

            self._panels = self._panels or Panels(self.images, self.dashboard_megabytes)
            shown = _best_map(generator, traces)
            self._panels.log(loggers, trainer.global_step, pl_module.scorer, examples, traces, shown, page)

    def _write(self, trainer: pl.Trainer, traces: list[Trace], notes: list[str]) -> Path:
        """Write the maps, if there are any, and the page; return the path of the page."""
        self.folder.mkdir(exist_ok=True)
        if traces[0].maps.maps:
            self._save(self.folder / f"step-{trainer.global_step:07d}.npz", [trace.maps for trace in traces])
        facts = {"step": f"{trainer.global_step:,}"}
        page = self.folder / "index.html"
        title, size = page_title(traces[0]), self.page_megabytes << 20
        omitted = render_page(page, traces, title, self.folder.parent.name, facts, size, notes)
        if str(omitted):
            self._warn_once(
                f"{page}: {omitted} left out to stay below callbacks.attention.page_megabytes={self.page_megabytes}"
            )
        return page

    def _save(self, path: Path, maps: list[SentenceMaps]) -> None:
        if left_out := save_maps(path, maps, max_bytes=self.megabytes << 20):
            warnings.warn(
                f"{path}: {left_out} of {len(maps)} sentences are left out to stay below "
                f"callbacks.attention.megabytes={self.megabytes}",
                stacklevel=2,
            )

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(text, stacklevel=2)

    def _log_measures(self, trainer: pl.Trainer, traces: Sequence[Trace]) -> None:
        values: dict[str, float] = {}
        for name in traces[0].maps.maps if traces else ():
            kind, _ = split_name(name)
            maps = [trace.maps for trace in traces]
            rows = (row_measures(m.maps[name], kind, m.tokens(name)[1], grid=m.key_grid(name)) for m in maps)
            means = mean_measures(rows)
            for measure in self.measures:
                for head, value in enumerate(means.get(measure, ())):
                    values[f"attention/{name}/{measure}/{head}"] = float(value)
        self.metrics_logger.write(trainer, values)


def _best_map(generator: TextGenerator, traces: Sequence[Trace]) -> str | None:
    """Name of the cross-attention map that agrees best with occlusion; of the last layer, if a source has no words.

    None if the model has no maps.
    """
    if not isinstance(generator, EncoderDecoder) or generator.source.tokenizer is None:
        return overview_map(traces[0].maps)
    links = [occlusion_links(generator, trace.source, trace.target) for trace in traces]
    ranked = rank_aligners((trace.maps, Links(found, found)) for trace, found in zip(traces, links, strict=True))
    return f"decoder.{next(aligner.layer for aligner in ranked if aligner.head is None)}.cross"
