"""What Weights & Biases shows of the sentences that are looked at: pictures, a table, and the page itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import wandb
from matplotlib.figure import Figure
from pytorch_lightning.loggers import WandbLogger

from regard.observe.callbacks.sentences import ProbeSentence
from regard.observe.draw.image import draw_layer, draw_map, png_bytes
from regard.observe.record.trace import Trace
from regard.training.task import Sample, Scorer

MOST_IMAGES = 50
"""W&B advises to log fewer images in one step."""

COLUMNS = ("why", "source", "reference", "hypothesis", "sentence_bleu", "map")


class UploadBudget:
    """The bytes and the pictures that may still be sent; ``dropped`` names what had none."""

    def __init__(self, size: float, pictures: int) -> None:
        self.size, self.pictures = size, pictures
        self.dropped: dict[str, None] = {}

    def takes(self, what: str, size: int, pictures: int = 0) -> bool:
        """Whether there is room, which is then taken."""
        if size > self.size or pictures > self.pictures:
            self.dropped[what] = None
            return False
        self.size, self.pictures = self.size - size, self.pictures - pictures
        return True


class Panels:
    """Sends pictures, table and page of a validation to W&B, as far as they fit into ``megabytes`` and its limits.

    The table comes first, then a grid of all heads for each map of the first ``images`` sentences, then the page. What
    was left out is warned of once.
    """

    def __init__(self, images: int, megabytes: float) -> None:
        self.images, self.megabytes = images, megabytes
        self._warned = False

    def log(
        self,
        loggers: Iterable[WandbLogger],
        step: int,
        scorer: Scorer,
        sentences: Sequence[ProbeSentence],
        traces: Sequence[Trace],
        shown: str,
        page: Path,
    ) -> None:
        """Log the sentences ``looked`` at, with their map ``shown`` in the table, and the page that shows them all."""
        room = UploadBudget(self.megabytes * 2**20, MOST_IMAGES)
        media: dict[str, Any] = {}
        with TemporaryDirectory() as folder:  # a file is copied as it is, other pictures W&B would encode anew
            rows: list[list[Any]] = []
            for each, one in zip(sentences, traces, strict=True):
                path, size = _write(Path(folder) / f"{len(rows)}.png", draw_map(one.maps, shown))
                picture = wandb.Image(path) if room.takes("maps of the table", size, 1) else None
                sample = Sample(one.source, each.reference or "", one.target)
                score = None if each.reference is None else scorer.score_sample(sample)
                rows.append([each.reason, *sample, score, picture])
            media["attention/sentences"] = wandb.Table(list(COLUMNS), rows)
            for name in traces[0].maps.maps if self.images else ():
                pictures, size = [], 0
                for number, one in enumerate(traces[: self.images]):
                    path, own = _write(Path(folder) / f"{name}.{number}.png", draw_layer(one.maps, name))
                    pictures.append(wandb.Image(path, caption=" → ".join(filter(None, (one.source, one.target)))))
                    size += own
                if room.takes(f"attention/{name}", size, len(pictures)):
                    media[f"attention/{name}"] = pictures
            html = page.read_text(encoding="utf-8")
            if room.takes("the page", len(html.encode())):
                media["attention/page"] = wandb.Html(html, inject=False)
            for logger in loggers:
                logger.log_metrics(media, step)
        if room.dropped and not self._warned:
            self._warned = True
            warnings.warn(
                f"W&B is not shown {', '.join(room.dropped)}: over {self.megabytes} MB "
                f"(callbacks.attention.dashboard_megabytes) or {MOST_IMAGES} images a validation; {page} has it",
                stacklevel=2,
            )


def _write(path: Path, figure: Figure) -> tuple[str, int]:
    """Write a PNG; its path and size in bytes."""
    return str(path), path.write_bytes(png_bytes(figure))
