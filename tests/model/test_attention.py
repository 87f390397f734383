"""Attention: the fused and the explicit form agree, and recording does not change the output."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jaxtyping
import pytest
import torch
from torch import Tensor

from regard.model import attention
from regard.model.attention import MultiHeadAttention, attend, attention_weights, causal_mask
from regard.model.recorder import Recorder
from regard.model.transformer import Transformer

BATCH, HEADS = 3, 2


class Case(NamedTuple):
    """One kind of mask: lengths, the explicit mask, and whether attention is also causal."""

    query: int
    key: int
    mask: Tensor | None
    causal: bool


def padding(key: int, *lengths: int) -> Tensor:
    return (torch.arange(key) < torch.tensor(lengths)[:, None])[:, None, None, :]


def scattered(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(7)) < 0.4


CASES = {
    "none": Case(5, 5, None, False),
    "none, unequal": Case(3, 7, None, False),
    "padding": Case(5, 5, padding(5, 5, 2, 1), False),
    "padding of a memory": Case(4, 7, padding(7, 3, 7, 6), False),
    "causal": Case(5, 5, None, True),
    "causal, padding": Case(5, 5, padding(5, 5, 2, 3), True),
    "causal, more keys": Case(3, 7, None, True),
    "causal, more keys, padding": Case(3, 7, padding(7, 7, 5, 6), True),
    "causal, one query": Case(1, 7, None, True),
    "causal, one query, padding": Case(1, 7, padding(7, 4, 7, 1), True),
    "causal, one of each": Case(1, 1, None, True),
    "causal, more queries": Case(7, 3, None, True),  # the first four may attend to nothing
    "nothing to attend to": Case(5, 5, padding(5, 5, 0, 2), False),
    "causal, nothing to attend to": Case(5, 5, padding(5, 5, 0, 2), True),
    "scattered, each head its own": Case(4, 6, scattered(BATCH, HEADS, 4, 6), False),
    "causal, scattered": Case(6, 6, scattered(1, 1, 6, 6), True),
}
every_mask = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def inputs(case: Case, dim: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(BATCH, HEADS, case.query, dim, generator=generator)
    key = torch.randn(BATCH, HEADS, case.key, dim, generator=generator)
    value = torch.randn(BATCH, HEADS, case.key, dim, generator=generator)
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


def allowed(case: Case) -> Tensor:
    """Independent definition of which query may attend to which key, position by position."""
    may = torch.ones(BATCH, HEADS, case.query, case.key, dtype=torch.bool)
    if case.mask is not None:
        may &= case.mask
    if case.causal:
        for query in range(case.query):
            for key in range(case.key):
                if case.query - query > case.key - key:  # counted from the end, which queries and keys share
                    may[:, :, query, key] = False
    return may


def recorded(case: Case, *tensors: Tensor, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
    recorder = Recorder()
    output = attend(*tensors, case.mask, case.causal, dropout, recorder.under("here"))
    return output, recorder.maps["here"]


@every_mask
def test_fused_equals_explicit_forward_and_backward(case: Case) -> None:
    tensors = inputs(case)
    fused = attend(*tensors, case.mask, case.causal)
    explicit, _ = recorded(case, *tensors)
    assert fused.isfinite().all()
    torch.testing.assert_close(explicit, fused, rtol=0, atol=1e-5)
    push = torch.randn(fused.shape, generator=torch.Generator().manual_seed(5))
    gradients = [torch.autograd.grad(output, tensors, push) for output in (fused, explicit)]
    for one, other in zip(*gradients, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@every_mask
def test_weights_are_the_formula_where_allowed_and_zero_elsewhere(case: Case) -> None:
    query, key, value = (tensor.detach() for tensor in inputs(case))
    output, weights = recorded(case, query, key, value)
    may = allowed(case)
    expected = torch.zeros(may.shape, dtype=torch.float64)
    for place in may.nonzero().tolist():
        b, h, i, j = place
        expected[b, h, i, j] = math.exp((query[b, h, i] @ key[b, h, j]).item() / math.sqrt(query.shape[-1]))
    expected /= expected.sum(dim=-1, keepdim=True).clamp(min=1e-30)
    torch.testing.assert_close(weights.double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(output.double(), expected @ value.double(), rtol=0, atol=1e-5)


@every_mask
def test_weights_sum_to_one_or_to_zero_in_a_fully_masked_row(case: Case) -> None:
    _, weights = recorded(case, *inputs(case))
    live = allowed(case).any(dim=-1)
    torch.testing.assert_close(weights.sum(dim=-1), live.float(), rtol=0, atol=1e-5)
    assert not weights[~live].any()
    assert not weights[~allowed(case)].any()


def test_a_causal_mask_is_aligned_bottom_right() -> None:
    assert causal_mask(2, 4)[0, 0].tolist() == [[True, True, True, False], [True, True, True, True]]


def test_weights_are_recorded_before_dropout() -> None:
    case = CASES["causal, padding"]
    tensors = inputs(case)
    whole, weights = recorded(case, *tensors)
    torch.manual_seed(0)
    dropped, with_dropout = recorded(case, *tensors, dropout=0.5)
    torch.testing.assert_close(with_dropout, weights)
    assert not torch.allclose(dropped, whole)


@pytest.mark.parametrize("record", [None, Recorder()], ids=["fused", "explicit"])
def test_dropout_is_active_only_in_training_and_preserves_the_mean(record: Recorder | None) -> None:
    torch.manual_seed(0)
    module = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(1, 6, 8).expand(2000, 6, 8)
    inputs = module.queries(x), *module.keys_values(x)
    outputs = module(*inputs, causal=True, record=record)
    exact = module.eval()(*inputs, causal=True, record=record)
    assert outputs.std(dim=0).max() > 0.01
    torch.testing.assert_close(outputs.mean(dim=0), exact[0], rtol=0, atol=0.06)
    torch.testing.assert_close(module(*inputs, causal=True, record=record), exact, rtol=0, atol=0)


def test_weights_of_half_precision_inputs_are_computed_in_float32() -> None:
    query, key, value = (tensor.detach().bfloat16() for tensor in inputs(CASES["causal"]))
    output, weights = recorded(CASES["causal"], query, key, value)
    assert weights.dtype == torch.float32
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(
        weights, attention_weights(query.float(), key.float(), causal_mask(5, 5)), rtol=0, atol=0
    )
    torch.testing.assert_close(output, attend(query, key, value, causal=True), rtol=0.02, atol=0.02)


def test_recording_does_not_change_the_output(make_model: Callable[..., Transformer]) -> None:
    model = make_model()
    prefix, source = torch.tensor([[1, 5, 6], [1, 7, 0]]), torch.tensor([[4, 5, 6, 2], [9, 2, 0, 0]])
    torch.testing.assert_close(model(prefix, source, Recorder()), model(prefix, source), rtol=0, atol=1e-5)


def test_weights_are_computed_only_for_a_recorder(
    make_model: Callable[..., Transformer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("the explicit form ran")

    monkeypatch.setattr(attention, "attention_weights", refuse)
    model = make_model()
    prefix, source = torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])
    model(prefix, source)
    with pytest.raises(AssertionError, match="the explicit form ran"):
        model(prefix, source, Recorder())


def test_nothing_is_stored_on_the_modules(make_model: Callable[..., Transformer]) -> None:
    model = make_model()

    def attributes() -> dict[tuple[str, ...], int]:
        found = {}
        for name, module in model.named_modules():
            for key, value in vars(module).items():
                found[name, key] = id(value)
                if isinstance(value, dict):
                    found |= {(name, key, str(inner)): id(kept) for inner, kept in value.items()}
        return found

    before = attributes()
    recorder = Recorder()
    model(torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]]), recorder)
    assert recorder.maps
    assert attributes() == before


def test_recorded_weights_hold_no_graph() -> None:
    _, weights = recorded(CASES["causal"], *inputs(CASES["causal"]))
    assert not weights.requires_grad


@pytest.mark.parametrize("record", [None, Recorder()], ids=["fused", "explicit"])
def test_groups_of_heads_share_keys_and_values(record: Recorder | None) -> None:
    torch.manual_seed(1)
    query, shared = torch.randn(2, 4, 3, 8), torch.randn(2, 2, 5, 8)
    value, mask = torch.randn(2, 2, 5, 8), padding(5, 5, 2)
    for_each = [tensor[:, [0, 0, 1, 1]] for tensor in (shared, value)]
    together = attend(query, shared, value, mask, record=record)
    torch.testing.assert_close(together, attend(query, *for_each, mask), rtol=0, atol=1e-5)


def test_shared_keys_are_smaller() -> None:
    key, value = MultiHeadAttention(8, 4, num_kv_heads=2).keys_values(torch.randn(3, 5, 8))
    assert key.shape == value.shape == (3, 2, 5, 2)


def test_heads_must_divide_the_dimension() -> None:
    with pytest.raises(ValueError, match="dim 10 must be a multiple of num_heads 4"):
        MultiHeadAttention(10, 4)
    with pytest.raises(ValueError, match="num_heads 4 must be a multiple of num_kv_heads 3"):
        MultiHeadAttention(8, 4, num_kv_heads=3)


def test_shapes_are_checked_while_tests_run() -> None:
    query, key, _ = inputs(CASES["none"])
    with pytest.raises(jaxtyping.TypeCheckError):
        attention_weights(query, key[..., :-1])
