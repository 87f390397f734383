"""The number of target tokens of a step whose batches have a random segmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD


class CountedSteps:
    """The batches of ``loader`` with ``step_tokens`` set to the number of target tokens of their optimizer step.

    The number of tokens of a batch is known only after the segmentation in the workers of the loader. Therefore the
    batches of a step are read together, and their tokens are summed over all processes.

    batches_per_step: number of batches that each process accumulates into one optimizer step
    world_size: number of processes; each must read its batches in the same order relative to all collectives
    """

    def __init__(self, loader: Iterable[Batch], batches_per_step: int, world_size: int) -> None:
        self.loader, self.batches_per_step = loader, batches_per_step
        # Also on the CPU when training on a GPU: a number on a GPU is available only after its queued work.
        self._group: Any = dist.new_group(backend="gloo") if world_size > 1 else None

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while step := list(islice(batches, self.batches_per_step)):
            tokens = torch.stack([(batch.target != PAD).sum() for batch in step]).sum()
            if self._group is not None:
                dist.all_reduce(tokens, group=self._group)
            for batch in step:
                yield batch._replace(step_tokens=int(tokens))
