"""Batches: every sentence once an epoch, within the budget, the same for all however many take part."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from regard.data import batching
from regard.data.batching import Indices, Item, StepBatches, StreamState, cut_batches, pad, plan_epoch

BUDGET = 60


def lengths(count: int, seed: int, longest: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, longest, count).astype(np.int32)


SOURCE, TARGET = lengths(97, 1), lengths(97, 2)
SENTENCES = np.flatnonzero(np.arange(97) % 9 != 4)  # some were left out


def plan(seed: int = 1, epoch: int = 0, budget: int = BUDGET) -> list[list[int]]:
    return [batch.tolist() for batch in plan_epoch(SENTENCES, SOURCE, TARGET, budget, seed, epoch)]


def stream(
    rank: int = 0, world_size: int = 1, batches_per_step: int = 1, sentences: Indices = SENTENCES, budget: int = BUDGET
) -> StepBatches:
    plan = partial(plan_epoch, sentences, SOURCE, TARGET, budget, 1)
    return StepBatches(plan, lambda rows, position: int(TARGET[rows].sum()), batches_per_step, rank, world_size)


def take(batches: StepBatches, count: int) -> list[Item]:
    return list(itertools.islice(batches, count))


def test_pad_fills_up_on_the_right() -> None:
    assert pad([[5, 6], [7], []]).tolist() == [[5, 6], [7, 0], [0, 0]]
    assert pad([[5], [6, 7]], value=9).tolist() == [[5, 9], [6, 7]]
    assert pad([[5]]).dtype == torch.int64


@pytest.mark.parametrize("pool", [1 << 17, 20])
def test_an_epoch_has_every_sentence_once_within_the_budget(monkeypatch: pytest.MonkeyPatch, pool: int) -> None:
    monkeypatch.setattr(batching, "POOL", pool)
    batches = plan()
    assert sorted(itertools.chain(*batches)) == SENTENCES.tolist()
    for batch in batches:
        assert len(batch) * max(SOURCE[batch].max(), TARGET[batch].max()) <= BUDGET


def test_a_sentence_over_the_budget_is_alone() -> None:
    order = np.array([3, 0, 1, 2])
    assert [run.tolist() for run in cut_batches(order, np.array([4, 50, 6, 5], dtype=np.int32), 10)] == [
        [3, 0],
        [1],
        [2],
    ]


def test_batches_are_cut_as_late_as_the_budget_allows() -> None:
    order, sizes = np.arange(6), np.array([2, 2, 2, 5, 5, 1], dtype=np.int32)
    assert [run.tolist() for run in cut_batches(order, sizes, 10)] == [[0, 1, 2], [3, 4], [5]]


def test_nothing_is_cut_into_no_batches() -> None:
    assert cut_batches(np.array([], dtype=np.int64), np.array([], dtype=np.int32), 10) == []


def test_batches_hold_sentences_of_like_length() -> None:
    padded = sum(len(batch) * TARGET[batch].max() for batch in plan(budget=200))
    in_order = sum(len(batch) * TARGET[batch].max() for batch in cut_batches(SENTENCES, TARGET, 200))
    real = TARGET[SENTENCES].sum()
    assert padded - real < (in_order - real) / 2


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    plans = {(seed, epoch): plan(seed, epoch) for seed in (1, 2) for epoch in (0, 1, 2)}
    assert all(plan(*key) == expected for key, expected in plans.items())
    assert len({json.dumps(batches) for batches in plans.values()}) == len(plans)
    assert plans[1, 0] != sorted(plans[1, 0], key=lambda batch: TARGET[batch].max())  # not by length


def test_the_stream_is_epoch_after_epoch() -> None:
    expected = [*plan(epoch=0), *plan(epoch=1), *plan(epoch=2)]
    assert [item.rows for item in take(stream(), len(expected))] == expected


@pytest.mark.parametrize("batches_per_step", [1, 3])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_see_together_what_one_accumulates(world_size: int, batches_per_step: int) -> None:
    steps = 60  # across epochs
    per_process = [take(stream(r, world_size, batches_per_step), steps * batches_per_step) for r in range(world_size)]
    alone = take(stream(0, 1, batches_per_step * world_size), steps * batches_per_step * world_size)
    for step in range(steps):
        mine = slice(step * batches_per_step, (step + 1) * batches_per_step)
        together = [batch for process in per_process for batch in process[mine]]
        size = world_size * batches_per_step
        one = alone[step * size : (step + 1) * size]
        tokens = sum(int(TARGET[item.rows].sum()) for item in one)
        assert sorted(together, key=lambda item: item.position) == [item._replace(step_tokens=tokens) for item in one]


@pytest.mark.parametrize("ahead", [0, 1, 7, 100])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_a_resumed_stream_goes_on_wherever_it_stopped(batches_per_step: int, ahead: int) -> None:
    whole = take(stream(1, 2, batches_per_step), 90)  # several epochs
    for taken in range(0, 60, batches_per_step):
        first = stream(1, 2, batches_per_step)
        reader = iter(first)
        for _ in range(taken + ahead):
            next(reader)
        second = stream(1, 2, batches_per_step)
        second.resume(first.state_at(taken))
        assert take(second, 30) == whole[taken : taken + 30]


def test_a_stream_may_be_resumed_again_and_again() -> None:
    whole, found, state = take(stream(), 100), [], None
    while len(found) < 100:
        part = stream()
        if state is not None:
            part.resume(state)
        found += take(part, 7)
        state = part.state_at(len(found))
    assert found[:100] == whole


def test_on_another_number_of_processes_no_batch_is_lost_or_repeated() -> None:
    for taken in range(0, 40, 3):
        parts = [stream(rank, 2) for rank in range(2)]
        before = [take(part, taken) for part in parts]
        state = parts[0].state_at(taken)
        resumed = [stream(rank, 3) for rank in range(3)]
        for part in resumed:
            part.resume(state)
        after = [take(part, 20) for part in resumed]
        seen = [item.rows for process in (*before, *after) for item in process]
        expected = [item.rows for item in take(stream(), 2 * taken + 60)]
        assert sorted(seen) == sorted(expected)
        # and the state goes on counting, batch by batch of each process
        again = resumed[0].state_at(taken + 20)
        assert (again.taken, again.position) == (taken + 20, 2 * taken + 60)


@pytest.mark.parametrize("ahead", [1, 40])
def test_epochs_much_shorter_than_a_step_resume_too(ahead: int) -> None:
    def make() -> StepBatches:
        return stream(batches_per_step=16, sentences=SENTENCES[:5], budget=30)

    whole, first = take(make(), 96), make()
    take(first, 32 + ahead)
    second = make()
    second.resume(first.state_at(32))
    assert take(second, 64) == whole[32:]
    assert len({tuple(item.rows) for item in whole}) <= 5  # an epoch is a third of a step, or less


def test_reading_again_begins_where_the_stream_does() -> None:
    batches = stream()
    batches.resume(stream_state_after(25))
    assert take(batches, 40) == take(batches, 40) == take(stream(), 65)[25:]


def stream_state_after(taken: int) -> StreamState:
    batches = stream()
    take(batches, taken)
    return batches.state_at(taken)


def test_a_state_is_plain_numbers(tmp_path: Path) -> None:
    state = stream_state_after(25)._asdict()
    assert all(type(value) is int for value in state.values())
    assert json.loads(json.dumps(state)) == state
    torch.save(state, tmp_path / "state")
    assert torch.load(tmp_path / "state", weights_only=True) == state
    rows, tokens, position = take(stream(), 1)[0]
    assert {type(number) for number in (*rows, tokens, position)} == {int}
