"""Learning-rate schedules: their values, and that checkpoints do not contain them."""

from __future__ import annotations

import math

import pytest
import torch

from regard.training.schedule import Schedule, constant, cosine, inverse_square_root


@pytest.mark.parametrize("schedule", [cosine(10, 100), inverse_square_root(10), constant(10)])
def test_warm_up_is_linear_and_reaches_one_in_its_last_step(schedule: Schedule) -> None:
    assert [schedule(step) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])


def test_cosine() -> None:
    factor = cosine(warmup_steps=10, total_steps=110, final=0.2)
    assert factor(10) == 1.0
    assert factor(35) == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)
    assert factor(60) == pytest.approx(0.6)
    assert factor(110) == factor(5000) == pytest.approx(0.2)
    assert cosine(10, 110)(110) == pytest.approx(0.0)


def test_inverse_square_root_is_the_formula_of_the_paper() -> None:
    warmup, factor = 4000, inverse_square_root(4000)
    for step in (0, 100, 3998, 3999, 4000, 15_999, 99_999):
        number = step + 1  # the paper counts from 1
        paper = min(number**-0.5, number * warmup**-1.5)
        assert factor(step) == pytest.approx(paper / warmup**-0.5)
    assert factor(15_999) == pytest.approx(0.5)


def test_constant() -> None:
    assert constant(4)(3) == constant(4)(4) == constant(4)(10_000) == 1.0


@pytest.mark.parametrize("schedule", [cosine(0, 10), inverse_square_root(0), constant(0)])
def test_without_warm_up_the_first_factor_is_one(schedule: Schedule) -> None:
    assert schedule(0) == 1.0


def test_a_warm_up_longer_than_training_never_decays() -> None:
    factor = cosine(warmup_steps=20, total_steps=10)
    assert [factor(step) for step in range(20)] == sorted(factor(step) for step in range(20))


def test_a_resumed_run_follows_the_configured_schedule() -> None:
    def scheduler(schedule: Schedule) -> torch.optim.lr_scheduler.LambdaLR:
        return torch.optim.lr_scheduler.LambdaLR(torch.optim.SGD([torch.zeros(1)], lr=2.0), schedule)

    stopped = scheduler(cosine(0, 10))
    for _ in range(5):
        stopped.optimizer.step()
        stopped.step()
    state = stopped.state_dict()
    assert not any(state["lr_lambdas"])
    resumed = scheduler(cosine(0, 20))  # trainer.max_steps was raised
    resumed.load_state_dict(state)
    resumed.optimizer.step()
    resumed.step()
    assert resumed.get_last_lr() == pytest.approx([2.0 * cosine(0, 20)(6)])
