"""What regard and its peers compute in a row of the table: a configuration, a device and data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rows import Row
from torch import Tensor

from regard.config.compose import compose_points
from regard.cost.device import find_device
from regard.cost.workload import Workload, with_vocabulary, workload
from regard.data.batching import Batch, Item, StepBatches
from regard.data.translation import TranslationData
from regard.errors import UsageError
from regard.instantiate import build
from regard.training.precision import with_computed_precision

Step = Callable[[int], int]
"""Do the work with the batch of this number, and return how many tokens were trained on or written."""

BATCHES = 64
"""Number of training batches, which are then repeated."""
SENTENCES, AT_ONCE, WRITTEN = 200, 50, 30
"""Sentences of the test part that are translated, at once in a batch, and the tokens of each translation."""
PROMPT, CONTINUATION = 16, 256
"""Tokens of a prompt, and of its continuation."""


@dataclass(frozen=True)
class Work:
    """The work of a row.

    config: of regard; peers build models of the same sizes
    batches: training batches on ``device``
    pairs: token ids (source, target) of all training pairs without the ends, for peers with batches of their own
    sources: batches of padded sources to translate; prompts: token ids to continue, Int "batch prompt"
    """

    config: dict[str, Any]
    device: torch.device
    batches: list[Batch]
    pairs: list[tuple[list[int], list[int]]]
    sources: list[Tensor]
    prompts: Tensor | None

    @property
    def model(self) -> dict[str, Any]:
        """The sizes of the model."""
        sizes: dict[str, Any] = self.config["model"]
        return sizes

    @property
    def precision(self) -> str:
        """The precision of the row, as Lightning names it."""
        return str(self.config["trainer"]["precision"])

    @property
    def workload(self) -> Workload:
        """The workload that `regard bench` would have, in the precision that regard computes in on this device."""
        trainer = with_computed_precision(self.config["trainer"], say=lambda text: None)
        return workload(self.config | {"trainer": trainer}, self.model["max_length"])

    @property
    def beam_size(self) -> int:
        """Beams of a translation; 1 for greedy search."""
        return int(self.config["task"]["scorer"]["beam_size"])


def make_work(row: Row, data: Path, accelerator: str, overrides: list[str]) -> Work:
    """Compose the configuration of a row, with ``overrides`` as the last ones, and make its data.

    data: folder of Multi30k, for translation

    Raises UsageError if this machine lacks the data or the device.
    """
    common = ["logger=none", "optimizer.lr=0.0003", "trainer.gradient_clip_val=null"]
    given = [*common, f"trainer.accelerator={accelerator}", *row.overrides, *overrides]
    translates = row.kind in ("train", "decode")
    if translates:
        if not data.is_dir():
            raise UsageError(f"{data}: not found; name the folder of Multi30k with --data FOLDER")
        given += ["data=multi30k", f"data.folder={data}"]
    ((config, _),) = compose_points(given)
    device = find_device(config)
    if device is None:
        raise UsageError(f"--accelerator {accelerator}: not on this machine")
    config, _ = with_vocabulary(config)
    work = Work(config, device.torch, [], [], [], None)
    make: Callable[[Work], Work] = {"train": _pairs, "lm": _blocks, "generate": _prompts, "decode": _sources}[row.kind]
    return make(work)


def _pairs(work: Work) -> Work:
    pairs, plan = _multi30k(work).training()
    batches = [pairs[item].on(work.device) for item in islice(StepBatches(plan), BATCHES)]
    rows = range(len(pairs))
    ids = [(pairs.source[row].tolist(), pairs.target[row].tolist()) for row in rows]
    return replace(work, batches=batches, pairs=ids)


def _blocks(work: Work) -> Work:
    with torch.device("meta"):
        model = work.workload.make_model()
    return replace(work, batches=[work.workload.make_batch(model, work.device) for _ in range(8)])


def _prompts(work: Work) -> Work:
    return replace(work, prompts=_blocks(work).batches[0].prefix[:, :PROMPT].contiguous())


def _sources(work: Work) -> Work:
    pairs, _ = _multi30k(work).evaluation("test")
    rows = sorted(range(min(SENTENCES, len(pairs))), key=pairs.source.lengths.__getitem__)
    at_once = [rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]
    batches = (pairs[Item(some, 0, -1)].on(work.device) for some in at_once)
    return replace(work, sources=[batch.source for batch in batches if batch.source is not None])


def _multi30k(work: Work) -> TranslationData:
    data: TranslationData = build(work.config["batches"], say=partial(print, file=sys.stderr))
    return data
