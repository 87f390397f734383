"""Muon updates hidden matrices and AdamW all other parameters, in one optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regard.config.compose import compose_points
from regard.errors import UsageError
from regard.model.feed_forward import relu
from regard.model.layer import Layer
from regard.model.norm import layer_norm
from regard.model.residual import AdaLNZero
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import read_checkpoint
from regard.training.muon import Muon, orthogonalise, orthogonalise_all
from regard.training.parameter_groups import hidden_matrices, optimizer_of

SHAPES = [(12, 12), (12, 40), (40, 12)]
ADAMW = {"betas": (0.9, 0.98), "eps": 1e-9, "weight_decay": 0.1}
make_muon = partial(Muon, lr=0.02, momentum=0.95, adamw_lr=0.003, **ADAMW)


def steps(optimizer: torch.optim.Optimizer, parameters: Iterable[Tensor], count: int, seed: int = 0) -> None:
    """Update with random gradients, which depend on the order of ``parameters``."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def matrices(*shapes: tuple[int, int]) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in shapes]


@pytest.mark.parametrize("shape", SHAPES)
def test_updates_are_orthogonal_and_keep_the_singular_vectors(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(3, *shape), full_matrices=False)
    scales = torch.logspace(-6, 6, 3)[:, None] * torch.logspace(-2, 0, 12)  # the size of the gradient does not matter
    results = orthogonalise(left * scales[:, None] @ right)
    assert results.dtype == torch.float32
    values = left.mT @ results @ right.mT
    singular = values.diagonal(dim1=-2, dim2=-1)
    assert 0.68 < singular.min() < singular.max() < 1.21
    torch.testing.assert_close(values, torch.diag_embed(singular), rtol=0, atol=1e-3)


def test_zeros_remain_zeros() -> None:
    assert orthogonalise(torch.zeros(2, 3, 4)).equal(torch.zeros(2, 3, 4))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_is_updated_as_by_torch(shape: tuple[int, int]) -> None:
    (own,), (expected,) = matrices(shape), matrices(shape)
    start = own.detach().clone()
    options = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.5}
    steps(Muon([{"params": [own], "hidden": True}], **(ADAMW | options), adamw_lr=9.0, iterations=4), [own], 3)
    steps(torch.optim.Muon([expected], **options, ns_steps=4, adjust_lr_fn="match_rms_adamw"), [expected], 3)
    # torch computes in bfloat16, whose relative precision is 1/256.
    assert (own - expected).norm() < 0.02 * (expected - start).norm()


def test_matrices_of_the_same_shape_are_updated_as_one_by_one() -> None:
    torch.manual_seed(0)
    many = [torch.randn(SHAPES[number % 3]) for number in range(8)]
    for result, matrix in zip(orthogonalise_all(many), many, strict=True):
        torch.testing.assert_close(result, orthogonalise(matrix[None])[0], rtol=0, atol=1e-5)


def test_parameters_of_other_groups_get_exactly_the_update_of_adamw() -> None:
    torch.manual_seed(0)
    own = [nn.Parameter(torch.randn(shape)) for shape in ((7,), (5, 3), (2, 3, 4))]
    expected = copy.deepcopy(own)

    def groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
        return [{"params": parameters[:1], "weight_decay": 0.0}, {"params": parameters[1:]}]

    steps(make_muon([{"params": matrices((3, 4)), "hidden": True}, *groups(own)]), own, 5)
    steps(torch.optim.AdamW(groups(expected), lr=0.003, fused=True, **ADAMW), expected, 5)
    for parameter, wanted in zip(own, expected, strict=True):
        assert parameter.equal(wanted)


def names_of_hidden(model: nn.Module) -> set[str]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    hidden, *others = optimizer_of(model, make_muon).param_groups
    assert [group["hidden"] for group in others] == [False] * len(others)
    assert {names[p] for group in (hidden, *others) for p in group["params"]} == {*names.values()}
    assert {*hidden_matrices(model)} == {*hidden["params"]}
    return {names[parameter] for parameter in hidden["params"]}


def test_hidden_matrices_are_those_of_the_layers(make_model: Callable[..., Transformer]) -> None:
    in_attention = {f"{part}.weight" for part in ("query", "key_value", "output")}
    encoder_layer = {f"mixer.attention.{name}" for name in in_attention} | {f"feed_forward.{i}.weight" for i in (0, 2)}
    decoder_layer = encoder_layer | {f"cross.{name}" for name in in_attention}
    assert names_of_hidden(make_model(depth=1)) == {f"encoder.layers.0.{name}" for name in encoder_layer} | {
        f"decoder.layers.0.{name}" for name in decoder_layer
    }


def test_state_spaces_and_adaptive_norms_have_other_matrices() -> None:
    layer = Layer(16, 2, 24, 0.0, H3, relu, partial(AdaLNZero, norm=layer_norm), causal=True, cross=False)
    assert names_of_hidden(layer) == {
        *("mixer.query_key_value.weight", "mixer.output.weight", "feed_forward.0.weight", "feed_forward.2.weight")
    }


def test_a_run_clips_gradients_and_can_be_resumed(make_run: Callable[..., RunFolder]) -> None:
    """`tests/runs` resumes it, and compares it with a run of two processes."""
    run = make_run("optimizer=muon", "trainer.max_steps=1", "trainer.gradient_clip_val=0.01", "name=muon")
    assert work(run.path) == 0, (run.path / "log.txt").read_text()
    (state,) = read_checkpoint(run.checkpoints / "last.ckpt")["optimizer_states"]
    hidden, *others = state["param_groups"]
    assert {*state["state"][hidden["params"][0]]} == {"momentum_buffer"}
    assert {*state["state"][others[0]["params"][0]]} == {"step", "exp_avg", "exp_avg_sq"}
    # After one step, an average is the gradient times 1 - its decay.
    gradients = [state["state"][name]["momentum_buffer"] / (1 - hidden["momentum"]) for name in hidden["params"]]
    for group in others:
        gradients += [state["state"][name]["exp_avg"] / (1 - group["betas"][0]) for name in group["params"]]
    assert torch.nn.utils.get_total_norm(gradients) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("momentum=1.0", "optimizer.momentum=1.0: expected a number from 0 and below 1"),
        ("iterations=0", "optimizer.iterations=0: expected an integer >= 1"),
        ("adamw_lr=-1", "optimizer.adamw_lr=-1: expected a number >= 0"),
        ("fused=true", "optimizer.fused: unknown key"),
    ],
)
def test_wrong_values_are_refused(wrong: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compose_points(["optimizer=muon", f"optimizer.{wrong}"])
