"""Batches with a budget of tokens, and the stream in which the processes of a training run take them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Sampler

from regard.data.tokenizer.specials import PAD

Indices = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]


class Batch(NamedTuple):
    """Right-padded rows of one micro-batch.

    prefix: what the decoder reads, begins with <s>; Int "batch target"
    target: what it should write, ends with </s>; Int "batch target"
    source: what the encoder reads, ends with </s>; None for a language model
    documents: which of the packed documents each token of ``prefix`` belongs to, Int "batch target"; None if
        tokens may see those of other documents
    step_tokens: real target tokens in all the batches of the same optimizer step, on all processes
    rows: which of the split these are
    """

    prefix: Tensor
    target: Tensor
    source: Tensor | None
    documents: Tensor | None
    step_tokens: int
    rows: list[int]


class Item(NamedTuple):
    """What a batch is made from: its rows, the target tokens of its whole step, its position in the stream."""

    rows: list[int]
    step_tokens: int
    position: int


class PlannedBatch(NamedTuple):
    """A batch of a plan: its rows, and the number of their target tokens, ends included."""

    rows: Indices
    tokens: int


class Plan(Protocol):
    """The batches of every epoch, pool by pool, the same in every process.

    An epoch consists of pools, each of which can be planned without those before it.
    """

    def pools(self, epoch: int) -> int:
        """The number of pools of an epoch, at least 1."""

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """The batches of one pool, in order; possibly none."""


class StreamState(NamedTuple):
    """A point in the stream of training batches.

    taken: batches that each process had taken; position: batches that all had taken together
    epoch, pool, batch: where the next batch is in the plan
    """

    taken: int
    position: int
    epoch: int
    pool: int
    batch: int


def pad(rows: Sequence[Sequence[int] | Indices], value: int = PAD) -> Tensor:
    """Rows of unequal length as one tensor, "batch length", filled up on the right."""
    filled = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
    return torch.from_numpy(filled)


def cut_batches(order: Indices, lengths: Lengths, tokens_per_batch: int) -> list[Indices]:
    """Cut ``order`` into runs whose padded size, rows x longest, stays within ``tokens_per_batch``.

    A sentence longer than the budget makes a batch of its own.
    """
    if not len(order):
        return []
    starts, longest = [0], 0
    for position, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if longest * (position - starts[-1] + 1) > tokens_per_batch and position > starts[-1]:
            starts.append(position)
            longest = length
    return np.split(order, starts[1:])


class StepBatches(Sampler[Item]):
    """The endless stream of training batches, epoch after epoch, from any point on.

    Process r of w takes every w-th batch, starting with the r-th: all processes take equally many, and w processes
    take in one step what one process takes in w accumulated batches. A point of the stream is identified by the
    number of batches that this process has taken; a loader that reads ahead does not change it.

    plan: the batches of every epoch
    batches_per_step: how many each process accumulates into one optimizer step
    limit: batches of each process after which the stream starts again from its first one; None for never
    """

    def __init__(
        self, plan: Plan, batches_per_step: int = 1, rank: int = 0, world_size: int = 1, limit: int | None = None
    ) -> None:
        self.plan, self.batches_per_step, self.rank, self.world_size = plan, batches_per_step, rank, world_size
        self.limit = None if limit is None else limit * world_size
        self._pool = lru_cache(maxsize=1)(plan.pool)  # a short limit enters the same pool again and again
        self.resume(StreamState(taken=0, position=0, epoch=0, pool=0, batch=0))

    def state_at(self, taken: int) -> StreamState:
        """The state of the stream when this process has taken ``taken`` batches in all.

        Earlier states are forgotten; raises ValueError if ``taken`` is one of them.
        """
        position = self._begin.position + (taken - self._begin.taken) * self.world_size
        if self.limit is not None and position % self.limit == 0:
            return StreamState(taken, position, epoch=0, pool=0, batch=0)
        entered = bisect_right(self._entered, position, key=itemgetter(0)) - 1
        if entered < 0:
            raise ValueError(f"the state after {taken} batches of each process is no longer known")
        del self._entered[:entered]
        first, epoch, pool, batch = self._entered[0]
        return StreamState(taken, position, epoch, pool, batch + position - first)

    def resume(self, state: StreamState) -> None:
        """Continue from ``state``, possibly on another number of processes."""
        self._begin = state
        # The stream's position, the epoch, the pool and the batch where each pool was entered, as far as it was read.
        self._entered = [state[1:]]

    def __iter__(self) -> Iterator[Item]:
        stream = self._stream()
        batches = self.world_size * self.batches_per_step
        while True:
            step = [next(stream) for _ in range(batches)]
            tokens = sum(planned.tokens for _, planned in step)
            for position, planned in step[self.rank :: self.world_size]:
                yield Item(planned.rows.tolist(), tokens, position)

    def _stream(self) -> Iterator[tuple[int, PlannedBatch]]:
        self._entered = [self._begin[1:]]
        position, epoch, pool, batch = self._entered[0]
        while True:
            for planned in self._pool(epoch, pool)[batch:]:
                yield position, planned
                position += 1
                if self.limit is not None and position % self.limit == 0:
                    epoch, pool = 0, -1
                    break
            pool, batch = pool + 1, 0
            if pool == self.plan.pools(epoch):
                epoch, pool = epoch + 1, 0
            self._entered.append((position, epoch, pool, batch))
