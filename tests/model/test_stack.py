"""The stack of layers of encoders and decoders, and the condition of its residual connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from regard.errors import UsageError
from regard.model.feed_forward import relu
from regard.model.layer import Layer, LayerFactory
from regard.model.linear import initialise_linear_layers
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm, rms_norm
from regard.model.recorder import FullRecorder
from regard.model.residual import AdaLNZero, PreNorm
from regard.model.stack import Stack
from regard.model.transformer import Transformer

DIM, ROWS = 8, 3
LAYER = """
mixer.attention.query mixer.attention.key_value mixer.attention.output mixer_path.norm
cross.query cross.key_value cross.output cross_path.norm
feed_forward.0 feed_forward.2 feed_forward_path.norm
""".split()
"""The modules of a layer that have weights, in the order of checkpoints of regard 0.3."""


def test_checkpoints_keep_the_names_and_the_order_of_weights(make_model: Callable[..., Transformer]) -> None:
    def names(stack: str, cross: bool) -> list[str]:
        modules = [name for name in LAYER if cross or not name.startswith("cross")]
        layers = [f"layers.{number}.{name}" for number in range(2) for name in modules]
        parts = [f"{stack}.{name}.{kind}" for name in (*layers, "norm") for kind in ("weight", "bias")]
        return [f"{stack}.embedding.tokens.weight", *parts]

    saved = make_model().state_dict()
    assert [name for name in saved if "positions" not in name] == [*names("encoder", False), *names("decoder", True)]


def make_stack(residual: type[PreNorm] | type[AdaLNZero], norm: Callable[[int], nn.Module] = layer_norm) -> Stack:
    """Two layers of a denoiser: they see all positions and an encoded prompt."""
    torch.manual_seed(0)
    layer: LayerFactory = partial(
        Layer, DIM, 2, 16, 0.0, mixer=SelfAttention, feed_forward=relu, residual=partial(residual, norm=norm)
    )
    stack = Stack(layer, 2, causal=False, cross=True, conditioned=residual.conditioned)
    initialise_linear_layers(stack)
    return stack


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Vectors, an encoded source and a condition."""
    torch.manual_seed(1)
    return torch.randn(ROWS, 5, DIM), torch.randn(ROWS, 4, DIM), torch.randn(ROWS, DIM)


def perturb(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)


@pytest.mark.parametrize("norm", [layer_norm, rms_norm])
def test_every_layer_with_ada_ln_zero_starts_as_the_identity(norm: Callable[[int], nn.Module]) -> None:
    stack, (x, encoded, condition) = make_stack(AdaLNZero, norm), inputs()
    assert stack(x, encoded=encoded, condition=condition).equal(x)
    assert stack.final_norm()(x, condition).equal(norm(DIM)(x))
    assert not make_stack(PreNorm, norm)(x, encoded=encoded).isclose(x).all()


def test_the_gates_of_ada_ln_zero_learn_from_the_first_step() -> None:
    stack, (x, encoded, condition) = make_stack(AdaLNZero), inputs()
    for _ in range(2):  # what a closed gate hides learns from the second step
        stack.zero_grad()
        (stack(x, encoded=encoded, condition=condition) * torch.randn_like(x)).sum().backward()
        moved = {name.partition(".")[2] for name, p in stack.named_parameters() if p.grad is not None and p.grad.any()}
        assert {f"{path}.gate.weight" for path in ("mixer_path", "cross_path", "feed_forward_path")} <= moved
        torch.optim.SGD(stack.parameters(), lr=0.1).step()
    assert moved == {name.partition(".")[2] for name, _ in stack.named_parameters()}


def test_a_condition_changes_all_positions_of_its_own_row_only() -> None:
    stack, (x, encoded, condition) = make_stack(AdaLNZero), inputs()
    final = stack.final_norm()
    perturb(stack)
    perturb(final)
    other = condition.clone()
    other[1] += 1
    for apply in (
        lambda c: stack(x, encoded=encoded, condition=c),
        lambda c: final(x, c),
    ):
        before, after = apply(condition), apply(other)
        torch.testing.assert_close(after[[0, 2]], before[[0, 2]], rtol=0, atol=1e-6)
        assert (after[1] - before[1]).abs().amax(dim=-1).min() > 1e-3


def test_ada_ln_zero_follows_its_formula() -> None:
    path, (x, y, condition) = AdaLNZero(DIM, 0.0, layer_norm), inputs()
    perturb(path)
    active = condition * condition.sigmoid()
    scale, shift = path.norm.modulation(active).chunk(2, dim=-1)
    for row in range(ROWS):
        expected = path.norm.norm(x[row]) * (1 + scale[row]) + shift[row]
        torch.testing.assert_close(path.input(x, condition)[row], expected)
    expected = x[:, :4] + path.gate(active)[:, None] * y
    torch.testing.assert_close(path.output(x[:, :4], y, condition), expected)


def test_a_stack_and_its_residual_agree_on_a_condition(make_model: Callable[..., Transformer]) -> None:
    for encoder in (True, False):
        with pytest.raises(UsageError, match=r"AdaLNZero needs a condition.*use residual=pre_norm"):
            make_model(encoder=encoder, residual=partial(AdaLNZero, norm=layer_norm))
    layer = partial(
        Layer, DIM, 2, 16, 0.0, mixer=SelfAttention, feed_forward=relu, residual=partial(PreNorm, norm=layer_norm)
    )
    with pytest.raises(UsageError, match=r"PreNorm does not use the condition.*residual=ada_ln_zero"):
        Stack(layer, 1, causal=False, cross=False, conditioned=True)


def test_the_output_of_every_layer_is_recorded() -> None:
    stack, (x, encoded, condition), recorder = make_stack(AdaLNZero), inputs(), FullRecorder()
    perturb(stack)
    y = stack(x, encoded=encoded, condition=condition, record=recorder.under("denoiser"))
    assert list(recorder.states) == ["denoiser.0", "denoiser.1"]
    assert recorder.states["denoiser.1"].equal(y)
    assert set(recorder.maps) == {f"denoiser.{layer}.{kind}" for layer in range(2) for kind in ("self", "cross")}
