"""Batches with a budget of tokens, planned alike by every process.

The training corpus is an endless stream of batches: epoch after epoch, each shuffled by (seed,
epoch). Process r of w takes every w-th batch from the r-th on, so all see equally many, and w
processes together see in one step just what one process sees in w accumulated batches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Sampler

from regard.data.tokenizer import PAD

POOL = 1 << 17
"""Sentences that are sorted by length together; what one epoch's plan holds in memory at a time."""

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
    """What a batch is made from: its rows, the target tokens of its whole step, its place in the stream."""

    rows: list[int]
    step_tokens: int
    position: int


class StreamState(NamedTuple):
    """A point in the stream of training batches.

    taken: batches that each process had taken; position: batches that all had taken together
    epoch: of the next batch, or of the one before; epoch_position: the stream's position at its begin
    """

    taken: int
    position: int
    epoch: int
    epoch_position: int


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


def plan_epoch(
    sentences: Indices, source: Lengths, target: Lengths, tokens_per_batch: int, seed: int, epoch: int
) -> Iterator[Indices]:
    """The batches of one epoch over ``sentences`` in random order, each of sentences of like length.

    source, target: length of every sentence in tokens, end included. The budget bounds both sides.
    Sentences are shuffled, sorted by length within pools, cut, and the batches of a pool shuffled.
    """
    random = np.random.default_rng([seed, epoch])
    shuffled = random.permutation(sentences)
    longer = np.maximum(source, target)
    for start in range(0, len(shuffled), POOL):
        pool = shuffled[start : start + POOL]
        order = pool[np.lexsort((source[pool], target[pool]))]
        batches = cut_batches(order, longer, tokens_per_batch)
        for number in random.permutation(len(batches)):
            yield batches[number]


class StepBatches(Sampler[Item]):
    """The endless stream of training batches, from any point on.

    A point of the stream is named by the number of batches this process has taken, so that a loader
    which reads ahead does not matter.

    plan: the batches of an epoch, each as its rows, the same for every process
    count: target tokens of the batch with these rows at this place of the stream
    batches_per_step: how many each process accumulates into one optimizer step
    """

    def __init__(
        self,
        plan: Callable[[int], Iterator[Indices]],
        count: Callable[[Indices, int], int],
        batches_per_step: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.plan, self.count = plan, count
        self.batches_per_step, self.rank, self.world_size = batches_per_step, rank, world_size
        self.resume(StreamState(taken=0, position=0, epoch=0, epoch_position=0))

    def state_at(self, taken: int) -> StreamState:
        """Where the stream stands when this process has taken ``taken`` batches in all."""
        position = self._begin.position + (taken - self._begin.taken) * self.world_size
        epoch_position, epoch = self._epochs[bisect_right(self._epochs, position, key=itemgetter(0)) - 1]
        return StreamState(taken, position, epoch, epoch_position)

    def resume(self, state: StreamState) -> None:
        """Go on from ``state``, perhaps on another number of processes."""
        self._begin = state
        # (the stream's position at its begin, the epoch) of every epoch from here on, as far as it was read
        self._epochs = [(state.epoch_position, state.epoch)]

    def __iter__(self) -> Iterator[Item]:
        stream = self._stream()
        batches = self.world_size * self.batches_per_step
        while True:
            step = [next(stream) for _ in range(batches)]
            tokens = sum(self.count(rows, position) for position, rows in step)
            for position, rows in step[self.rank :: self.world_size]:
                yield Item(rows.tolist(), tokens, position)

    def _stream(self) -> Iterator[tuple[int, Indices]]:
        del self._epochs[1:]
        position, epoch = self._epochs[0]
        while True:
            for rows in self.plan(epoch):
                if position >= self._begin.position:
                    yield position, rows
                position += 1
            epoch += 1
            self._epochs.append((position, epoch))
