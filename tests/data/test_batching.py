"""Batches: every sentence once per epoch, within the budget, the same for any number of processes."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from regard.data import shuffle
from regard.data.batching import Item, StepBatches, StreamState, cut_batches, pad
from regard.data.shuffle import Shuffle, fixed_sample
from regard.data.translation import PairPlan, order_by_lengths

BUDGET, MAX_LENGTH = 60, 27


def lengths(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, MAX_LENGTH + 3, count)


SOURCE, TARGET = lengths(97, 1), lengths(97, 2)  # including </s>
SENTENCES = np.flatnonzero(np.maximum(SOURCE, TARGET) <= MAX_LENGTH)  # the others are dropped


class Texts:
    """The part of `TokenFile` that a plan uses. Its lengths do not include </s>."""

    def __init__(self, lengths: np.ndarray) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        return self.lengths[rows] - 1


def make_plan(seed: int = 1, budget: int = BUDGET, count: int = 97) -> PairPlan:
    return PairPlan(Texts(SOURCE[:count]), Texts(TARGET[:count]), MAX_LENGTH, budget, seed)


def plan(seed: int = 1, epoch: int = 0, budget: int = BUDGET) -> list[list[int]]:
    """Return the batches of one epoch."""
    plan = make_plan(seed, budget)
    return [batch.rows.tolist() for pool in range(plan.pools(epoch)) for batch in plan.pool(epoch, pool)]


def stream(
    rank: int = 0, world_size: int = 1, batches_per_step: int = 1, limit: int | None = None, count: int = 97
) -> StepBatches:
    return StepBatches(make_plan(count=count), batches_per_step, rank, world_size, limit)


@pytest.fixture(params=["one pool", "pools of 20"])
def pools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pool for the whole corpus, or several."""
    if request.param != "one pool":
        monkeypatch.setattr(shuffle, "GROUP_SIZE", 4)
        monkeypatch.setattr(shuffle, "GROUPS_PER_POOL", 5)
        assert make_plan().pools(0) == 5


def take(batches: StepBatches, count: int) -> list[Item]:
    return list(itertools.islice(batches, count))


def test_pad_pads_on_the_right() -> None:
    assert pad([[5, 6], [7], []]).tolist() == [[5, 6], [7, 0], [0, 0]]
    assert pad([[5], [6, 7]], value=9).tolist() == [[5, 9], [6, 7]]
    assert pad([[5]]).dtype == torch.int64


@pytest.mark.usefixtures("pools")
def test_an_epoch_has_every_sentence_once_within_the_budget() -> None:
    batches = plan()
    assert sorted(itertools.chain(*batches)) == SENTENCES.tolist()
    for batch in batches:
        assert len(batch) * max(SOURCE[batch].max(), TARGET[batch].max()) <= BUDGET


def test_a_sentence_over_the_budget_is_a_batch_of_one() -> None:
    order = np.array([3, 0, 1, 2])
    assert [run.tolist() for run in cut_batches(order, np.array([4, 50, 6, 5], dtype=np.int32), 10)] == [
        [3, 0],
        [1],
        [2],
    ]


def test_batches_are_as_large_as_the_budget_allows() -> None:
    order, sizes = np.arange(6), np.array([2, 2, 2, 5, 5, 1], dtype=np.int32)
    assert [run.tolist() for run in cut_batches(order, sizes, 10)] == [[0, 1, 2], [3, 4], [5]]


def test_no_rows_are_no_batches() -> None:
    assert cut_batches(np.array([], dtype=np.int64), np.array([], dtype=np.int32), 10) == []


def test_batches_have_sentences_of_similar_length() -> None:
    def padding(batches: list[np.ndarray]) -> int:
        sides = SOURCE, TARGET
        return sum(int(len(batch) * side[batch].max() - side[batch].sum()) for batch in batches for side in sides)

    in_order = cut_batches(SENTENCES, np.maximum(SOURCE, TARGET), 200)
    assert padding(plan(budget=200)) < padding(in_order) / 2


@pytest.mark.usefixtures("pools")
def test_the_order_depends_on_seed_and_epoch_only() -> None:
    plans = {(seed, epoch): plan(seed, epoch) for seed in (1, 2) for epoch in (0, 1, 2)}
    assert all(plan(*key) == expected for key, expected in plans.items())
    assert len({json.dumps(batches) for batches in plans.values()}) == len(plans)
    assert plans[1, 0] != sorted(plans[1, 0], key=lambda batch: TARGET[batch].max())  # not by length


@pytest.mark.parametrize(("size", "group"), [(1, 4), (20, 4), (21, 4), (97, 4), (1003, 4), (1000, 1)])
def test_a_shuffle_is_a_permutation_in_pools_of_equal_size(
    monkeypatch: pytest.MonkeyPatch, size: int, group: int
) -> None:
    monkeypatch.setattr(shuffle, "GROUP_SIZE", group)
    monkeypatch.setattr(shuffle, "GROUPS_PER_POOL", 20 // group)
    order = Shuffle(size, seed=1)
    pools = [order.pool(3, number)[0] for number in range(order.pools)]
    assert sorted(np.concatenate(pools).tolist()) == list(range(size))
    assert order.pools == -(-size // 20)
    assert max(map(len, pools)) <= 20
    assert max(map(len, pools)) - min(map(len, pools)) <= 2 * group


def test_an_epoch_mixes_the_whole_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffle, "GROUP_SIZE", 8)
    monkeypatch.setattr(shuffle, "GROUPS_PER_POOL", 64)
    order = Shuffle(50_000, seed=1)
    places = []
    for number in range(order.pools):
        items, _ = order.pool(0, number)
        assert len(np.unique(items // 8)) >= 32, "places of the corpus in a pool"
        assert abs(items.mean() - 25_000) < 5 * 50_000 / np.sqrt(12 * len(items) / 8), "a pool is all of the corpus"
        assert abs(np.corrcoef(np.arange(len(items)), items)[0, 1]) < 0.25, "and has no order"
        places += items.tolist()
    assert abs(np.corrcoef(np.arange(50_000), places)[0, 1]) < 0.05
    assert abs(np.corrcoef(places, np.concatenate([order.pool(1, n)[0] for n in range(order.pools)]))[0, 1]) < 0.05


def test_neighbours_of_a_small_corpus_are_permuted_uniformly() -> None:
    """Two neighbours are adjacent as often as any two items."""
    orders = [Shuffle(10, seed=1).pool(epoch, 0)[0].tolist() for epoch in range(2000)]
    apart = [abs(order.index(4) - order.index(5)) for order in orders]
    assert apart.count(1) / len(orders) == pytest.approx(9 / 45, abs=0.04)
    assert len({order[0] for order in orders}) == 10


def test_resuming_plans_no_earlier_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffle, "GROUP_SIZE", 4)
    monkeypatch.setattr(shuffle, "GROUPS_PER_POOL", 5)
    first = stream()
    whole = take(first, 400)
    state = first.state_at(300)
    assert (state.epoch > 3, state.pool > 0) == (True, True)
    second = stream()
    planned: list[tuple[int, int]] = []
    plan = second.plan.pool
    monkeypatch.setattr(second, "_pool", lambda epoch, pool: planned.append((epoch, pool)) or plan(epoch, pool))
    second.resume(state)
    assert take(second, 1) == whole[300:301]
    assert planned == [(state.epoch, state.pool)]


def test_the_memory_of_a_stream_does_not_grow_with_the_corpus() -> None:
    class Endless(Texts):
        """A corpus of a billion texts."""

        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return 10**9

        def lengths_of(self, rows: np.ndarray) -> np.ndarray:
            assert len(rows) <= 1 << 17
            return rows % 40

    batches = StepBatches(PairPlan(Endless(), Endless(), MAX_LENGTH, 4096, seed=1))
    batches.resume(StreamState(taken=10**7, position=10**7, epoch=1, pool=5000, batch=100))
    tracemalloc.start()
    assert len(take(batches, 3)) == 3
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 16e6
    assert peak < 200e6  # the order of four million groups, temporarily


def test_the_stream_concatenates_the_epochs() -> None:
    expected = [*plan(epoch=0), *plan(epoch=1), *plan(epoch=2)]
    assert [item.rows for item in take(stream(), len(expected))] == expected


@pytest.mark.parametrize("batches_per_step", [1, 3])
@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.usefixtures("pools")
def test_several_processes_take_the_batches_that_one_accumulates(world_size: int, batches_per_step: int) -> None:
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
@pytest.mark.parametrize("limit", [None, 1, 3, 20])
@pytest.mark.usefixtures("pools")
def test_a_stream_resumes_at_any_point(batches_per_step: int, ahead: int, limit: int | None) -> None:
    whole = take(stream(1, 2, batches_per_step, limit), 90)  # several epochs
    for taken in range(0, 60, batches_per_step):
        first = stream(1, 2, batches_per_step, limit)
        reader = iter(first)
        for _ in range(taken + ahead):
            next(reader)
        second = stream(1, 2, batches_per_step, limit)
        second.resume(first.state_at(taken))
        assert take(second, 30) == whole[taken : taken + 30]


@pytest.mark.parametrize("limit", [1, 2, 20])
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_limited_stream_repeats_its_first_batches(limit: int, world_size: int) -> None:
    per_process = [take(stream(rank, world_size, limit=limit), 60) for rank in range(world_size)]
    first = take(stream(), limit * world_size)
    rows = [item.rows for step in zip(*per_process, strict=True) for item in step]
    assert rows == [item.rows for item in first] * (60 // limit)
    assert [item.position for item in per_process[0]] == list(range(0, 60 * world_size, world_size))


def test_every_step_of_a_limited_stream_counts_its_own_tokens() -> None:
    """Also a step across the end of the limit."""
    items = take(stream(batches_per_step=2, limit=3), 6)
    tokens = [int(TARGET[item.rows].sum()) for item in items]
    assert [item.step_tokens for item in items] == [sum(tokens[i : i + 2]) for i in (0, 0, 2, 2, 4, 4)]
    assert items[3].rows == items[0].rows


def test_a_stream_can_be_resumed_repeatedly() -> None:
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
        # and the state counts further batches of each process
        again = resumed[0].state_at(taken + 20)
        assert (again.taken, again.position) == (taken + 20, 2 * taken + 60)


@pytest.mark.parametrize("ahead", [1, 40])
def test_epochs_much_shorter_than_a_step_resume_too(ahead: int) -> None:
    def make() -> StepBatches:
        return stream(batches_per_step=16, count=5)

    whole, first = take(make(), 96), make()
    take(first, 32 + ahead)
    second = make()
    second.resume(first.state_at(32))
    assert take(second, 64) == whole[32:]
    assert len({tuple(item.rows) for item in whole}) <= 5  # an epoch is a third of a step, or less


def test_a_discarded_state_is_an_error() -> None:
    batches = stream()
    take(batches, 200)
    batches.state_at(150)
    with pytest.raises(ValueError, match=r"after 10 batches .* no longer known"):
        batches.state_at(10)


def test_a_second_iterator_starts_at_the_start_of_the_stream() -> None:
    batches = stream()
    batches.resume(stream_state_after(25))
    assert take(batches, 40) == take(batches, 40) == take(stream(), 65)[25:]


def stream_state_after(taken: int) -> StreamState:
    batches = stream()
    take(batches, taken)
    return batches.state_at(taken)


def test_a_state_consists_of_plain_numbers(tmp_path: Path) -> None:
    state = stream_state_after(25)._asdict()
    assert all(type(value) is int for value in state.values())
    assert json.loads(json.dumps(state)) == state
    torch.save(state, tmp_path / "state")
    assert torch.load(tmp_path / "state", weights_only=True) == state
    rows, tokens, position = take(stream(), 1)[0]
    assert {type(number) for number in (*rows, tokens, position)} == {int}


@pytest.mark.parametrize("size", [0, 1, 10, 100, 1000])
def test_a_sample_is_random_and_always_the_same(size: int) -> None:
    sample = fixed_sample(1000, size)
    assert sample.tolist() == fixed_sample(1000, size).tolist() == sorted(set(sample.tolist()))
    assert len(sample) == size
    assert set(sample) <= set(fixed_sample(1000, size + 50))
    if size == 100:
        assert abs(sample.mean() - 500) < 90


@pytest.mark.parametrize("tokens_per_batch", [512, 1024, 2048])
def test_batches_of_pairs_have_little_padding_on_both_sides(tokens_per_batch: int) -> None:
    random = np.random.default_rng(0)
    source = (random.poisson(13, 30_000) + 1).astype(np.int32)
    target = np.maximum(1, np.round(source * random.normal(1.05, 0.18, len(source)))).astype(np.int32)
    order = order_by_lengths(source, target, tokens_per_batch)
    assert sorted(order) == list(range(len(source)))
    batches = cut_batches(order, np.maximum(source, target), tokens_per_batch)
    for lengths, most in ((target, 0.02), (source, 0.05)):
        padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
        assert 1 - lengths.sum() / padded <= most
