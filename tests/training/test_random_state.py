"""Random states, and the random numbers of the ranks of a run."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from regard.training.random_state import get_random_state, seed_rank, set_random_state


@pytest.fixture(autouse=True)
def undisturbed() -> object:
    state = get_random_state()
    yield
    set_random_state(state)


def drawn(seed: int, rank: int) -> tuple[float, float, float]:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    seed_rank(rank)
    return torch.rand(()).item(), random.random(), float(np.random.rand())


def test_each_rank_draws_different_numbers_that_depend_on_the_seed() -> None:
    numbers = [drawn(seed, rank) for seed in (1, 2) for rank in range(3)]
    for values in zip(*numbers, strict=True):
        assert len(set(values)) == 6
    assert drawn(1, 2) == numbers[2]


def test_rank_0_draws_the_same_numbers_as_a_single_process() -> None:
    torch.manual_seed(5)
    alone = torch.rand(())
    assert drawn(5, 0)[0] == alone.item()
