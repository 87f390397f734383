"""The output layer with its cross-entropy in chunks equals the one as a whole, in loss, gradients and precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils._python_dispatch import TorchDispatchMode

from regard.data.tokenizer.specials import PAD
from regard.inference.forced_pass import summed_loss
from regard.training.objectives import output_loss as module
from regard.training.objectives.output_loss import output_loss


def inputs(shape: tuple[int, ...] = (7, 5), dim: int = 8, vocab: int = 23) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    target = torch.randint(1, vocab, shape)
    target[:, -2:] = PAD
    weight = nn.Parameter(torch.randn(vocab, dim))
    return torch.randn(*shape, dim, requires_grad=True), weight, target


def whole(hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    return summed_loss(linear(hidden, weight), target, label_smoothing)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 4, 35, 100])
def test_loss_and_gradients_equal_those_of_all_logits(
    rows: int, label_smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CPU_LOGITS", 1)
    monkeypatch.setattr(module, "FEWEST_ROWS", rows)
    hidden, weight, target = inputs()
    expected = whole(hidden, weight, target, label_smoothing)
    gradients = torch.autograd.grad(3 * expected, (hidden, weight))
    loss = output_loss(hidden, weight, target, label_smoothing)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, (hidden, weight)), gradients)
    with torch.no_grad():
        torch.testing.assert_close(output_loss(hidden, weight, target, label_smoothing), expected)


def test_large_logits_do_not_overflow() -> None:
    hidden, weight, target = inputs()
    with torch.no_grad():
        weight *= 1000
    expected = whole(hidden, weight, target, 0.1)
    loss = output_loss(hidden, weight, target, 0.1)
    torch.testing.assert_close(loss, expected)
    for found, right in zip(
        torch.autograd.grad(loss, (hidden, weight)), torch.autograd.grad(expected, (hidden, weight)), strict=True
    ):
        assert found.isfinite().all()
        torch.testing.assert_close(found, right, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_mixed_precision_is_as_exact_as_with_all_logits(label_smoothing: float) -> None:
    hidden, weight, target = inputs((40, 30), dim=32, vocab=200)
    exact = torch.autograd.grad(whole(hidden, weight, target, label_smoothing), (hidden, weight))

    def errors(compute: object) -> list[float]:
        with torch.autocast("cpu", torch.bfloat16):
            loss = compute(hidden, weight, target, label_smoothing)  # type: ignore[operator]
        assert loss.dtype == torch.float32
        found = torch.autograd.grad(loss, (hidden, weight))
        assert [each.dtype for each in found] == [torch.float32, torch.float32]
        return [((one - other).norm() / other.norm()).item() for one, other in zip(found, exact, strict=True)]

    for own, usual in zip(errors(output_loss), errors(whole), strict=True):
        assert own < max(1.1 * usual, 0.005)


class Largest(TorchDispatchMode):
    """Records the largest number of elements of a result."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):  # type: ignore[no-untyped-def]
        result = function(*arguments, **(named or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, Tensor):
                self.elements = max(self.elements, each.numel())
        return result


def test_logits_of_all_tokens_never_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_LOGITS", 64 * 500)
    monkeypatch.setattr(module, "FEWEST_ROWS", 64)
    hidden, weight, target = inputs((64, 16), dim=8, vocab=500)
    with Largest() as largest:
        output_loss(hidden, weight, target, 0.1).backward()
    assert largest.elements == 64 * 500
