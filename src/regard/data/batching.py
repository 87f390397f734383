"""Batches with a budget of tokens, and the stream of training batches of each process."""

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

    prefix: input of the decoder, starts with <s>; Int "batch target". Empty for a denoiser, which reads the target with
        noise
    target: expected output of the decoder, ends with </s>; Int "batch target". Images of a denoiser, UInt8
        "batch 3 height width"
    source: input of the encoder (see `regard.data.sources`); for text it ends with </s>, Int "batch source". None for a
        language model
    documents: number of the packed document of each token of ``prefix``, Int "batch target"; None if tokens may
        attend to other documents
    step_tokens: number of targets (real tokens, or images) in all batches of the same optimizer step, on all processes
    rows: row numbers in the split
    """

    prefix: Tensor
    target: Tensor
    source: Tensor | None
    documents: Tensor | None
    step_tokens: int
    rows: list[int]

    def on(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on ``device``."""
        prefix, target = self.prefix.to(device), self.target.to(device)
        source, documents = (None if x is None else x.to(device) for x in (self.source, self.documents))
        return self._replace(prefix=prefix, target=target, source=source, documents=documents)


class Item(NamedTuple):
    """Description of a batch to load: its rows, the target tokens of its optimizer step, its position in the stream."""

    rows: list[int]
    step_tokens: int
    position: int


class PlannedBatch(NamedTuple):
    """A batch of a plan: its rows, and the number of their target tokens, including </s>."""

    rows: Indices
    tokens: int


class Plan(Protocol):
    """The batches of every epoch, the same in every process.

    An epoch consists of pools. Each pool can be planned without the previous ones.
    """

    def pools(self, epoch: int) -> int:
        """Return the number of pools of an epoch, at least 1."""

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """Return the batches of one pool, in order; possibly none."""


class StreamState(NamedTuple):
    """A point in the stream of training batches.

    taken: number of batches that each process has taken
    position: number of batches that all processes have taken together
    epoch, pool, batch: place of the next batch in the plan
    """

    taken: int
    position: int
    epoch: int
    pool: int
    batch: int


def pad(rows: Sequence[Sequence[int] | Indices], value: int = PAD) -> Tensor:
    """Pad rows of unequal length on the right to one tensor, Int "batch length"."""
    filled = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
    return torch.from_numpy(filled)


def cut_batches(order: Indices, lengths: Lengths, tokens_per_batch: int) -> list[Indices]:
    """Split ``order`` into batches whose padded size, rows x longest, is at most ``tokens_per_batch``.

    A sentence longer than the budget is a batch with one row.
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
    """The endless stream of training batches over all epochs, which can start at any point.

    Process r of w takes every w-th batch, starting with the r-th. All processes take the same number, and one step of
    w processes has the batches of one process that accumulates w of them. A point in the stream is identified by the
    number of batches that this process has taken, which does not count batches that a loader reads ahead.

    plan: the batches of every epoch
    batches_per_step: number of batches that each process accumulates into one optimizer step
    limit: number of batches per process after which the stream restarts at its first batch; None for no restart
    """

    def __init__(
        self, plan: Plan, batches_per_step: int = 1, rank: int = 0, world_size: int = 1, limit: int | None = None
    ) -> None:
        self.plan, self.batches_per_step, self.rank, self.world_size = plan, batches_per_step, rank, world_size
        self.limit = None if limit is None else limit * world_size
        self._pool = lru_cache(maxsize=1)(plan.pool)  # a small limit restarts in the same pool repeatedly
        self.resume(StreamState(taken=0, position=0, epoch=0, pool=0, batch=0))

    def state_at(self, taken: int) -> StreamState:
        """Return the state of the stream after this process has taken ``taken`` batches in total.

        Earlier states are discarded. Raises ValueError if ``taken`` is one of them.
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
        # (position in the stream, epoch, pool, batch) at the start of each pool that has been read.
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
