"""The parts of a bench: matrix products, useful FLOPs, and outputs of a fixed length."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from regard.bench.bench import Bench
from regard.bench.flops import inference_flops, training_flops
from regard.bench.measurement import Measurement, spread
from regard.bench.outputs import all_outputs
from regard.bench.products import products_flops_per_second, step_products
from regard.bench.table import bench_table
from regard.config.compose import compose_points
from regard.cost.predict.dry_run import forward_flops, step_flops
from regard.cost.workload import Workload, with_vocabulary, workload

CPU = torch.device("cpu")
SMALL = [
    "model=demo",
    "model.depth=2",
    "model.dim=32",
    "model.num_heads=2",
    "model.ffn_dim=48",
    "tokenizer=byte",
    "batches.tokens_per_batch=32",
]


def make(*overrides: str, length: int = 16) -> Workload:
    ((config, _),) = compose_points([*SMALL, *overrides])
    return workload(with_vocabulary(config)[0], length)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_products_are_those_of_layers_and_outputs_in_the_precision_of_the_run(precision: str) -> None:
    at = make("task=language", f"trainer.precision={precision}")
    products = step_products(at, CPU)
    number_format = torch.float32 if precision == "32-true" else torch.bfloat16
    assert {matrix.format for product in products for matrix in product} == {number_format}
    rows = at.rows * at.length
    forward = [product.right.shape for product in products.elements() if product.left.shape[0] == rows]
    assert forward.count((32, 48)) >= 2  # the feed-forward layers of both layers
    assert (32, 260) in forward  # the output layer
    total = sum(count * product.flops for product, count in products.items())
    assert 0.8 * step_flops(at, CPU).training < total < step_flops(at, CPU).training  # the rest is attention
    assert products_flops_per_second(products, CPU, 0.01) > 0


def test_layers_that_are_computed_again_do_not_count() -> None:
    plain, recomputed = make("task=language"), make("task=language", "task.activation_checkpointing=true")
    assert step_flops(recomputed, CPU).training > step_flops(plain, CPU).training
    assert training_flops(recomputed, CPU) == training_flops(plain, CPU) == step_flops(plain, CPU).training


def test_micro_batches_of_a_step_all_count() -> None:
    assert training_flops(make("trainer.accumulate_grad_batches=2"), CPU) == 2 * training_flops(make(), CPU)


def test_decoding_a_sequence_costs_a_forward_pass_over_it() -> None:
    """But for the attention of the first token, which is read alone."""
    at = make("task=translation")
    decoding = inference_flops(at, CPU, beams=1, prompt=1, tokens=16)
    assert decoding == pytest.approx(forward_flops(at, CPU), rel=0.01)
    beams = inference_flops(at, CPU, beams=2, prompt=1, tokens=16)
    assert decoding < beams < 2 * decoding  # the encoder runs once


def test_outputs_have_their_length_and_flops_grow_with_the_sequences() -> None:
    at = make("task=language")
    model = at.make_model().eval()
    alone, together = all_outputs(model, at, CPU, 3)
    assert (alone.sequences, together.sequences) == (1, 3)
    assert alone.tokens == together.tokens == 8
    assert together.flops == 3 * alone.flops
    steps: list[int] = []
    step = model.decoder.step
    model.decoder.step = lambda tokens, state: steps.append(len(tokens)) or step(tokens, state)
    together.run(5)
    assert steps == [3] * 4  # the first token follows from the prompt


def test_searches_continue_to_their_limit() -> None:
    at = make("task=translation", "task.scorer.beam_size=2")
    model = at.make_model().eval()
    steps: list[int] = []
    step = model.decoder.step
    model.decoder.step = lambda tokens, state: steps.append(len(tokens)) or step(tokens, state)
    for outputs in all_outputs(model, at, CPU, 3):
        outputs.run(5)
    assert steps == [3] * 5 + [6] * 5


def test_the_table_has_the_numbers_of_the_json() -> None:
    measurement = Measurement("greedy search", 16, 1024, 9, 0.5, 0.031, 2048.0, 4 * 10**9, 8e9, 0.25, 3 * 10**6)
    named: dict[str, Any] = {
        "name": "model=demo",
        "device": "cpu",
        "torch": "2",
        "precision": "32-true",
        "parameters": 5,
    }
    measured = Bench(
        **named, vocab_size=260, length=64, compiled=False, compilation_seconds=None, matmul_flops_per_second=32e9,
        resident_memory=10**9, measurements=[measurement],
    )  # fmt: skip
    cells = re.split(r"  +", bench_table([measured], None).plain.splitlines()[1].strip())
    expected = ["greedy search", "16", "1,024", "500 ms", "3%", "9", "2.05 k", "8 G", "25.0%", "3 MB"]
    assert cells == ["model=demo", *expected]


def test_the_spread_is_the_interquartile_range_as_a_share_of_the_median() -> None:
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([1.0]) is None
