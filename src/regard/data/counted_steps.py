"""The target tokens of a step whose batches are cut into pieces at random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD


class CountedSteps:
    """The batches of ``loader``, in each of which ``step_tokens`` is replaced by the real number of its step.

    How many tokens a batch has is known only when it has been cut, which happens in the loader's worker processes.
    Therefore the batches of a step are read together, and the processes add up what they have read.

    batches_per_step: how many batches each process accumulates into one optimizer step
    world_size: the number of processes; each must read its batches in the same order relative to all collectives
    """

    def __init__(self, loader: Iterable[Batch], batches_per_step: int, world_size: int) -> None:
        self.loader, self.batches_per_step = loader, batches_per_step
        # On the CPU also where training is not: a number from a GPU arrives after all the work that it has to do.
        self._group: Any = dist.new_group(backend="gloo") if world_size > 1 else None

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while step := list(islice(batches, self.batches_per_step)):
            tokens = torch.stack([(batch.target != PAD).sum() for batch in step]).sum()
            if self._group is not None:
                dist.all_reduce(tokens, group=self._group)
            for batch in step:
                yield batch._replace(step_tokens=int(tokens))
