"""Looking at attention while the model learns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from regard.data.corpora.links import Links
from regard.errors import UsageError
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.observe.callbacks.sentences import ProbeSentence, SentenceSelector
from regard.observe.draw.image import overview_map
from regard.observe.draw.page import render_page
from regard.observe.measure.alignment import rank_aligners
from regard.observe.measure.heads import MEASURES, mean_measures, row_measures
from regard.observe.measure.occlusion import occlusion_links
from regard.observe.record.maps import save_maps, split_name
from regard.observe.record.trace import Trace, trace_text, trace_translation
from regard.training.callbacks.metrics import MetricsLogger
from regard.training.task import Task


class AttentionProbe(pl.Callback):
    """After each validation, records what the model attends to in a few sentences.

    texts: sentences of your own to look at; of a language model, beginnings of documents
    sentences: how many of the validation part follow, the first with at most ``longest`` tokens, or the shortest if
        all have more
    extremes: how many of the worst and of the best of the validation follow those (`SentenceSelector`)
    measures: what is logged of each head, names of `regard.observe.measure.heads.MEASURES`; a mean over the sentences
        that stay the same, as ``attention/<map>/<measure>/<head>``
    megabytes: the most that the maps of one validation may take on disk
    page_megabytes: the most that the page may take; what it has no room for is said once
    images: of how many sentences W&B gets a grid of all heads for each map
    dashboard_megabytes: the most that W&B gets of one validation

    In the run's folder ``attention/`` each validation leaves its maps (step-STEP.npz), and the page index.html shows
    the latest.
    """

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
            raise UsageError(f"callbacks.attention.measures: no {unknown[0]}; choose among {', '.join(MEASURES)}")
        self.folder, self.metrics_logger = folder / "attention", metrics_logger
        self.selector = SentenceSelector(texts, sentences, extremes, longest)
        self.measures, self.megabytes, self.page_megabytes = list(measures), megabytes, page_megabytes
        self.images, self.dashboard_megabytes = images, dashboard_megabytes
        self._fixed: list[ProbeSentence] | None = None
        self._panels: Any = None
        self._warned = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record, draw and log, on rank 0."""
        if trainer.state.fn != "fit" or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        if self._fixed is None:
            self._fixed = self.selector.select_fixed(pl_module)
            _warn_of_cut(pl_module, self._fixed)
        sentences = [*self._fixed, *self.selector.select_extremes(pl_module, self._fixed)]
        if not sentences:
            return
        model = _model(pl_module)
        traces = [_record(model, each.source) for each in sentences]
        if not traces[0].maps.maps:  # another mixer, and no source to attend to
            self._warn_once("callbacks.attention: the model has no attention to look at")
            return
        self._log_measures(trainer, traces[: len(self._fixed)])
        page = self._keep(trainer, traces, [each.reason for each in sentences])
        if loggers := [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]:
            from regard.observe.wandb.panels import Panels

            self._panels = self._panels or Panels(self.images, self.dashboard_megabytes)
            shown = _best_aligned(model, traces)
            self._panels.log(loggers, trainer.global_step, pl_module.scorer, sentences, traces, shown, page)

    def _keep(self, trainer: pl.Trainer, traces: list[Trace], notes: list[str]) -> Path:
        """Write the maps, and the page, whose path it is."""
        self.folder.mkdir(exist_ok=True)
        maps = [one.maps for one in traces]
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
        omitted = render_page(page, traces, title, self.folder.parent.name, facts, size, notes)
        if str(omitted):  # much the same after each validation
            self._warn_once(
                f"{page}: {omitted} left out, over callbacks.attention.page_megabytes={self.page_megabytes}"
            )
        return page

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(text, stacklevel=2)

    def _log_measures(self, trainer: pl.Trainer, traces: Sequence[Trace]) -> None:
        values: dict[str, float] = {}
        for name in traces[0].maps.maps if traces else ():
            kind, _ = split_name(name)
            found = mean_measures(row_measures(one.maps.maps[name], kind, one.maps.tokens(name)[1]) for one in traces)
            for measure in self.measures:
                for head, value in enumerate(found.get(measure, ())):
                    values[f"attention/{name}/{measure}/{head}"] = float(value)
        self.metrics_logger.write(trainer, values)


def _model(task: Task) -> Translator | LanguageModel:
    if task.model.encoder is None:
        return LanguageModel(task.model, task.target_tokenizer)
    return Translator(task.model, task.source_tokenizer, task.target_tokenizer)


def _record(model: Translator | LanguageModel, source: str) -> Trace:
    return trace_translation(model, source) if isinstance(model, Translator) else trace_text(model, source)


def _best_aligned(model: Translator | LanguageModel, traces: Sequence[Trace]) -> str:
    """The cross-attention that agrees best with what occlusion says; of a language model the last layer."""
    if not isinstance(model, Translator):
        return overview_map(traces[0].maps)
    links = [occlusion_links(model, one.source, one.target) for one in traces]
    ranked = rank_aligners((one.maps, Links(found, found)) for one, found in zip(traces, links, strict=True))
    return f"decoder.{next(aligner.layer for aligner in ranked if aligner.head is None)}.cross"


def _warn_of_cut(task: Task, fixed: Sequence[ProbeSentence]) -> None:
    most = task.model.max_length - 1
    for number, each in enumerate((each for each in fixed if each.reason == "given"), start=1):
        if (tokens := len(task.source_tokenizer.encode(each.source))) > most:
            warnings.warn(
                f"callbacks.attention.texts: text {number} has {tokens} tokens and is cut to the model's {most}",
                stacklevel=2,
            )
