"""Sampling: which tokens can be sampled, and how often."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.inference.decoding import Sampling


def logits_of(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log()


def shares(sampling: Sampling, *probabilities: float) -> list[float]:
    return sampling.probabilities(logits_of(*probabilities))[0].tolist()


def random_logits(rows: int = 40, vocab: int = 50) -> Tensor:
    return 3 * torch.randn(rows, vocab, generator=torch.Generator().manual_seed(1))


EVERY_WAY = [
    Sampling(),
    Sampling(0.0),
    Sampling(1e-310),
    Sampling(0.3),
    Sampling(1e30),
    Sampling(top_k=1),
    Sampling(1.5, top_k=7),
    Sampling(top_k=1000),
    Sampling(top_p=1e-9),
    Sampling(0.8, top_p=0.9),
    Sampling(top_p=1.0),
    Sampling(2.0, top_k=5, top_p=0.5),
]
every_way = pytest.mark.parametrize("sampling", EVERY_WAY, ids=str)


@every_way
def test_probabilities_sum_to_one(sampling: Sampling) -> None:
    logits = random_logits()
    logits[:, [0, 7]] = -torch.inf
    found = sampling.probabilities(logits)
    assert (found >= 0).all()
    assert (found[:, [0, 7]] == 0).all()
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(len(logits), dtype=torch.float64))
    likeliest = found.gather(1, logits.argmax(dim=-1, keepdim=True))
    assert torch.equal(likeliest, found.amax(dim=-1, keepdim=True)), "the likeliest stays the likeliest"


def test_without_options_probabilities_are_the_softmax() -> None:
    torch.testing.assert_close(Sampling().probabilities(random_logits()), random_logits().double().softmax(dim=-1))


@pytest.mark.parametrize("temperature", [0.0, 1e-310, 1e-6])
def test_a_temperature_near_zero_selects_the_most_likely_token(temperature: float) -> None:
    logits = random_logits()
    for uniform in (0.0, 0.5, math.nextafter(1, 0)):
        drawn = Sampling(temperature).draw(logits, torch.full((len(logits),), uniform, dtype=torch.float64))
        assert torch.equal(drawn, logits.argmax(dim=-1))


def test_temperature_sharpens_and_flattens() -> None:
    assert shares(Sampling(0.5), 0.6, 0.3, 0.1) == pytest.approx([0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46])
    assert shares(Sampling(1e9), 0.6, 0.3, 0.1) == pytest.approx([1 / 3] * 3)


def test_top_k_keeps_k_tokens_and_their_proportions() -> None:
    assert shares(Sampling(top_k=2), 0.1, 0.4, 0.3, 0.2) == pytest.approx([0, 4 / 7, 3 / 7, 0])
    assert shares(Sampling(top_k=9), 0.1, 0.4, 0.3, 0.2) == pytest.approx([0.1, 0.4, 0.3, 0.2])
    for k in (1, 3, 50):
        assert (Sampling(top_k=k).probabilities(random_logits()) > 0).sum(dim=-1).tolist() == [k] * 40


def test_of_equally_likely_tokens_the_first_are_kept() -> None:
    assert shares(Sampling(top_k=2), 0.2, 0.2, 0.2, 0.2, 0.2) == pytest.approx([0.5, 0.5, 0, 0, 0])


@pytest.mark.parametrize(
    ("top_p", "kept"), [(1e-9, [1]), (0.4, [1]), (0.5, [1]), (0.51, [1, 3]), (0.75, [1, 3]), (0.8, [0, 1, 3])]
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: list[int]) -> None:
    given = [0.125, 0.5, 0.125, 0.25]
    total = sum(given[token] for token in kept)
    expected = [given[token] / total if token in kept else 0.0 for token in range(4)]
    assert shares(Sampling(top_p=top_p), *given) == pytest.approx(expected)


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.99])
def test_top_p_is_not_reached_without_the_least_likely_kept_token(top_p: float) -> None:
    given = random_logits().double().softmax(dim=-1)
    kept = Sampling(top_p=top_p).probabilities(random_logits()) > 0
    inside = given.where(kept, 0.0).sum(dim=-1)
    assert (inside >= top_p).all()
    assert (inside - given.where(kept, 1.0).amin(dim=-1) < top_p).all()
    assert (given.where(kept, 1.0).amin(dim=-1) >= given.where(~kept, 0.0).amax(dim=-1)).all()


def test_top_p_applies_to_the_tokens_kept_by_top_k() -> None:
    # 0.4 is more than half of 0.4 + 0.3.
    assert shares(Sampling(top_k=2, top_p=0.55), 0.4, 0.3, 0.2, 0.1) == pytest.approx([1, 0, 0, 0])
    assert shares(Sampling(top_p=0.55), 0.4, 0.3, 0.2, 0.1) == pytest.approx([4 / 7, 3 / 7, 0, 0])


def test_tokens_are_sampled_in_proportion_to_their_probabilities() -> None:
    count, given = 40_000, torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05, 0.0])
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    drawn = Sampling().draw(given.log().expand(count, -1), uniform)
    found, expected = drawn.bincount(minlength=6), count * given
    assert (found[given == 0] == 0).all()
    chi_square = ((found - expected)[given > 0] ** 2 / expected[given > 0]).sum()
    assert chi_square < 16.3  # 99.9 % quantile for three degrees of freedom


@every_way
def test_an_impossible_token_is_never_sampled(sampling: Sampling) -> None:
    logits = random_logits(rows=200)
    logits[:, [0, 1, -2, -1]] = -torch.inf  # the first and the last tokens
    possible = sampling.probabilities(logits) > 0
    for uniform in (0.0, 5e-324, 1e-17, 0.5, math.nextafter(1, 0)):
        drawn = sampling.draw(logits, torch.full((len(logits),), uniform, dtype=torch.float64))
        assert possible.gather(1, drawn[:, None]).all(), uniform


def test_rows_are_independent() -> None:
    logits = logits_of(0.9, 0.1).repeat(3, 1)
    logits[1] = logits[1].flip(0)
    assert Sampling(top_k=1).draw(logits, torch.tensor([0.0, 0.99, 0.5])).tolist() == [0, 1, 0]
    assert Sampling().draw(logits, torch.tensor([0.95, 0.05, 0.05])).tolist() == [1, 0, 0]
