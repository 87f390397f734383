"""Exponents, crossovers, lengths and advice for costs that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from regard.cost.advice import advise
from regard.cost.exponents import exponent
from regard.cost.lengths import parse_lengths
from regard.cost.predict.flops import quadratic_from
from regard.cost.predict.memory import Memory
from regard.cost.units import format_bytes, format_dollars, format_number, format_seconds
from regard.cost.workload import Workload
from regard.errors import UsageError


@pytest.mark.parametrize("power", [0.0, 1.0, 1.72, 2.0])
def test_the_exponent_of_a_power_law(power: float) -> None:
    assert exponent({n: 3 * n**power for n in (128, 256, 512, 1024)}) == pytest.approx(power)


def test_the_exponent_is_that_of_the_longer_half() -> None:
    assert exponent({1: 7, 2: 5, 4: 9, 8: 10, 16: 40, 32: 160}) == pytest.approx(2)
    assert exponent({8: 10, 16: 20, 32: 80}) == pytest.approx(2)
    assert exponent({8: 10}) is None


@pytest.mark.parametrize(
    ("flops", "expected"),
    [
        (lambda n: 1e12 + 1000 * n + n * n, 1_000_500.0),
        (lambda n: 1000 * n + n * n, 1000.0),
        (lambda n: 3e6 * n * n, 1.0),
        (lambda n: 5e9 + 7000 * n, None),
        (lambda n: 7000 * n + 100 * n * math.log2(n), None),
        (lambda n: 2048 * n + 2 * n * n + 1024 * n * math.log2(n), 7_560.0),
    ],
)
def test_the_length_at_which_the_quadratic_part_exceeds_the_rest(
    flops: Callable[[int], float], expected: float | None
) -> None:
    found = quadratic_from(flops)
    assert found == (None if expected is None else pytest.approx(expected, rel=0.01, abs=1))


def test_lengths_of_the_command_line() -> None:
    assert parse_lengths("512, 128,128") == [128, 512]
    assert parse_lengths("128,...,1024") == [128, 256, 512, 1024]
    assert parse_lengths("100,...,500,600") == [100, 200, 400, 500, 600]
    for wrong in ("", "x", "1", "0,5", "...", "128,...", "128,...,...,512", "1.5", "-3", "128,,256"):
        with pytest.raises(UsageError, match="--lengths"):
            parse_lengths(wrong)


def linear(workload: Workload) -> Memory:
    """100 bytes of weights, gradients and optimizer, and 2 bytes for each token, a tenth if layers are recomputed."""
    share = 0.1 if workload.config["task"]["activation_checkpointing"] else 1.0
    activations = int(2 * share * workload.rows * workload.length)
    return Memory(weights=25, gradients=25, optimizer=50, activations=activations, peak=100 + activations)


@pytest.mark.parametrize(
    ("usable", "advice"),
    [
        (99, "lower model.dim or model.depth"),
        (100 + 1024, "set batches.tokens_per_batch=512 and trainer.accumulate_grad_batches=8"),
        (100 + 300, "set batches.tokens_per_batch=128 and trainer.accumulate_grad_batches=32"),
        (100 + 200, "set task.activation_checkpointing=true and batches.tokens_per_batch=128"),
        (100 + 7, "set model.max_length=32 and batches.tokens_per_batch=32 and task.activation_checkpointing=true"),
    ],
)
def test_what_to_lower(usable: int, advice: str) -> None:
    config = {
        "task": {"activation_checkpointing": False},
        "batches": {"tokens_per_batch": 1024},
        "trainer": {"accumulate_grad_batches": 4},
    }
    assert advice in advise(Workload(config, 128, 8), linear, usable)


def test_what_to_lower_for_images() -> None:
    config = {
        "task": {"activation_checkpointing": True},
        "batches": {"images_per_batch": 8},
        "trainer": {"accumulate_grad_batches": 1},
    }
    workload = Workload(config, 100, 8)
    assert "batches.images_per_batch=4 and trainer.accumulate_grad_batches=2" in advise(workload, linear, 190)
    assert "model.max_length=50 and batches.images_per_batch=1" in advise(replace(workload, rows=1), linear, 111)


def test_units() -> None:
    assert [format_bytes(n) for n in (0, 999, 1234, 1.5e9, 3e15)] == ["0 B", "999 B", "1.23 kB", "1.5 GB", "3000 TB"]
    assert [format_seconds(n) for n in (None, 2.5, 0.0123, 4.56e-5)] == ["", "2.5 s", "12.3 ms", "45.6 µs"]
    assert [format_dollars(n) for n in (None, 0.0012345, 1234.5)] == ["", "$0.0012", "$1,234.50"]
    assert format_number(65_000_000) == "65 M"
