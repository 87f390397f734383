"""What Weights & Biases shows of the sentences that are looked at: pictures, a table, and the page itself."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import wandb
from PIL import Image
from pytorch_lightning.loggers import WandbLogger

from regard.observe.image import draw_layer, draw_map, png
from regard.observe.recording import Regarded
from regard.observe.sentences import Looked
from regard.training.task import Sample, Scorer

MOST_IMAGES = 50
"""W&B advises to log fewer images in one step."""

COLUMNS = ("why", "source", "reference", "hypothesis", "sentence_bleu", "map")


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
        looked: Sequence[Looked],
        regarded: Sequence[Regarded],
        shown: str,
        page: Path,
    ) -> None:
        """Log the sentences ``looked`` at, with their map ``shown`` in the table, and the page that shows them all."""
        loggers = list(loggers)
        if not loggers:
            return
        room, pictures, dropped = self.megabytes * 2**20, 0, []

        def fits(size: int, what: str, images: int = 0) -> bool:
            nonlocal room, pictures
            if size > room or pictures + images > MOST_IMAGES:
                dropped.append(what)
                return False
            room, pictures = room - size, pictures + images
            return True

        rows = []
        for each, one in zip(looked, regarded, strict=True):
            drawn = png(draw_map(one.maps, shown))
            fitting = fits(len(drawn), "maps of the table", images=1)
            sample = Sample(one.source, each.reference or "", one.target)
            score = None if each.reference is None else scorer.one(sample)
            rows.append([each.why, *sample, score, wandb.Image(_picture(drawn)) if fitting else None])
        for name in regarded[0].maps.maps:
            drawn_heads = [png(draw_layer(one.maps, name)) for one in regarded[: self.images]]
            captions = [" → ".join(filter(None, (one.source, one.target))) for one in regarded[: self.images]]
            if drawn_heads and fits(sum(map(len, drawn_heads)), f"attention/{name}", images=len(drawn_heads)):
                for logger in loggers:
                    logger.log_image(
                        f"attention/{name}", [_picture(each) for each in drawn_heads], step, caption=captions
                    )
        html = page.read_text(encoding="utf-8")
        whole = fits(len(html.encode()), "the page")
        for logger in loggers:
            logger.log_table("attention/sentences", list(COLUMNS), rows, step=step)
            if whole:
                media: dict[str, Any] = {"attention/page": wandb.Html(html, inject=False)}
                logger.log_metrics(media, step)
        if dropped and not self._warned:
            self._warned = True
            warnings.warn(
                f"W&B is not shown {', '.join(dict.fromkeys(dropped))}: over {self.megabytes} MB "
                f"(callbacks.attention.dashboard_megabytes) or {MOST_IMAGES} images a validation; {page} has it",
                stacklevel=2,
            )


def _picture(drawn: bytes) -> Any:
    return Image.open(io.BytesIO(drawn))
