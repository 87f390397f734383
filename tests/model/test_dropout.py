"""Dropout with shared random bits."""

import pytest
import torch

from regard.model.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_elements_are_dropped_with_their_probability_and_independently(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    count = 1 << 20
    dropped = Dropout(p)(torch.ones(count, dtype=dtype)) == 0
    deviation = (p * (1 - p) / count) ** 0.5
    assert dropped.double().mean() == pytest.approx(p, abs=5 * deviation)
    # Four elements share a random number: neighbours must not be dropped together more often than by chance.
    together = (dropped[1:] & dropped[:-1]).double().mean()
    assert together == pytest.approx(p * p, abs=5 * (p * p * (1 - p * p) / count) ** 0.5 * 1.5)


def test_the_expected_output_and_gradient_are_those_without_dropout() -> None:
    torch.manual_seed(0)
    x = torch.full((1 << 20,), 2.0, requires_grad=True)
    y = Dropout(0.3)(x)
    assert y.mean().item() == pytest.approx(2.0, rel=5e-3)
    assert y.unique().tolist() == pytest.approx([0.0, 2 / (1 - 0.3)], rel=1e-4)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * 2, y)


@pytest.mark.parametrize("shape", [(3,), (5, 7), (0, 4), (1,), ()])
def test_every_shape_is_possible_and_a_seed_determines_the_mask(shape: tuple[int, ...]) -> None:
    x, dropout = torch.ones(shape), Dropout(0.5)
    torch.manual_seed(1)
    first = dropout(x)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
    assert first.shape == x.shape


def test_no_random_number_is_drawn_without_dropout() -> None:
    x, before = torch.ones(8), torch.get_rng_state()
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_everything_may_be_dropped() -> None:
    assert torch.equal(Dropout(1.0)(torch.ones(1 << 18)), torch.zeros(1 << 18))
