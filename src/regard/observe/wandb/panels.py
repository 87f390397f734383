"""W&B panels of the recorded sentences: images, a table, and the attention page."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import wandb
from matplotlib.figure import Figure
from pytorch_lightning.loggers import WandbLogger

from regard.observe.draw.image import draw_layer, png_bytes
from regard.observe.draw.image_strip import draw_trace
from regard.observe.draw.kernels_image import draw_kernels
from regard.observe.record.trace import Trace
from regard.training.scorers.scorer import ProbeExample, Sample, Scorer

MOST_IMAGES = 50
"""W&B recommends fewer images per step."""

COLUMNS = ("why", "source", "reference", "hypothesis", "sentence_bleu", "map")


class UploadBudget:
    """Remaining bytes and images of an upload; ``dropped`` has the names of what did not fit."""

    def __init__(self, size: float, pictures: int) -> None:
        self.size, self.pictures = size, pictures
        self.dropped: dict[str, None] = {}

    def reserve(self, name: str, size: int, pictures: int = 0) -> bool:
        """Reserve ``size`` bytes and ``pictures`` images; return whether they fit."""
        if size > self.size or pictures > self.pictures:
            self.dropped[name] = None
            return False
        self.size, self.pictures = self.size - size, self.pictures - pictures
        return True


class Panels:
    """Logs the table, the images and the page of a validation to W&B, within ``megabytes`` and MOST_IMAGES.

    The order of priority is: the table; an image of all heads per map for the first ``images`` sentences; an image of
    the kernels, if there are any; the page. A warning names what is left out, once.
    """

    def __init__(self, images: int, megabytes: float) -> None:
        self.images, self.megabytes = images, megabytes
        self._warned = False

    def log(
        self,
        loggers: Iterable[WandbLogger],
        step: int,
        scorer: Scorer,
        examples: Sequence[ProbeExample],
        traces: Sequence[Trace],
        shown: str | None,
        page: Path,
    ) -> None:
        """Log ``examples`` with their ``traces``; the table has the map ``shown`` of each sentence, if any."""
        budget = UploadBudget(self.megabytes * 2**20, MOST_IMAGES)
        media: dict[str, Any] = {}
        with TemporaryDirectory() as folder:  # W&B copies files, but encodes other images again
            rows: list[list[Any]] = []
            for example, trace in zip(examples, traces, strict=True):
                picture = None
                if shown is not None:
                    path, size = _write(Path(folder) / f"{len(rows)}.png", draw_trace(trace, shown))
                    picture = wandb.Image(path) if budget.reserve("maps of the table", size, 1) else None
                sample = Sample(trace.source, example.reference or "", trace.target)
                score = None if example.reference is None else scorer.score_sample(sample)
                rows.append([example.reason, *sample, score, picture])
            media["attention/sentences"] = wandb.Table(list(COLUMNS), rows)
            for name in traces[0].maps.maps if self.images else ():
                pictures, size = [], 0
                for number, trace in enumerate(traces[: self.images]):
                    path, own = _write(Path(folder) / f"{name}.{number}.png", draw_layer(trace.maps, name))
                    caption = " → ".join(filter(None, (trace.source, trace.target)))
                    pictures.append(wandb.Image(path, caption=caption))
                    size += own
                if budget.reserve(f"attention/{name}", size, len(pictures)):
                    media[f"attention/{name}"] = pictures
            if self.images and (figure := draw_kernels(traces[0].mixers)) is not None:
                path, size = _write(Path(folder) / "kernels.png", figure)
                if budget.reserve("attention/kernels", size, 1):
                    media["attention/kernels"] = wandb.Image(path)
            html = page.read_text(encoding="utf-8")
            if budget.reserve("the page", len(html.encode())):
                media["attention/page"] = wandb.Html(html, inject=False)
            for logger in loggers:
                logger.log_metrics(media, step)
        if budget.dropped and not self._warned:
            self._warned = True
            warnings.warn(
                f"not logged to W&B: {', '.join(budget.dropped)}: more than {self.megabytes} MB "
                f"(callbacks.attention.dashboard_megabytes) or {MOST_IMAGES} images per validation; see {page}",
                stacklevel=2,
            )


def _write(path: Path, figure: Figure) -> tuple[str, int]:
    """Write the figure as PNG; return its path and its size in bytes."""
    return str(path), path.write_bytes(png_bytes(figure))
