"""Activation checkpointing: the same numbers with less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from regard.model.mixer import SelfAttention
from regard.model.transformer import Transformer
from regard.training.activation_checkpointing import recompute_layers

MakeModel = Callable[..., Transformer]
OPTIONS = {"depth": 6, "dropout": 0.3, "mixer": partial(SelfAttention, dropout=0.2)}


def step(model: Transformer) -> tuple[Tensor, list[Tensor], int]:
    """Logits, gradients, and bytes saved for the backward pass, of a step with dropout."""
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    model.train().zero_grad()
    prefix, source = torch.randint(3, 13, (4, 20)), torch.randint(3, 13, (4, 15))
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(prefix, source)
    logits.square().mean().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return logits.detach(), gradients, sum(kept.values())


def test_logits_gradients_and_names_are_exactly_the_same(make_model: MakeModel) -> None:
    plain, recomputed = make_model(**OPTIONS), make_model(**OPTIONS)
    recompute_layers(recomputed)
    (logits, gradients, _), (same_logits, same_gradients, _) = step(plain), step(recomputed)
    assert len(gradients) == len(list(plain.parameters()))
    assert same_logits.equal(logits)
    assert all(same.equal(gradient) for same, gradient in zip(same_gradients, gradients, strict=True))
    assert list(recomputed.state_dict()) == list(plain.state_dict())


def test_each_layer_runs_again_and_saves_no_activations(make_model: MakeModel) -> None:
    plain, recomputed = make_model(**OPTIONS), make_model(**OPTIONS)
    recompute_layers(recomputed)
    calls = [0]
    for layer in recomputed.decoder.layers:
        layer.mixer.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    _, _, much = step(plain)
    _, _, little = step(recomputed)
    assert calls == [2 * len(recomputed.decoder.layers)]
    assert 0 < little < much / 10, f"{little} of {much} bytes"


def test_a_copied_model_has_its_own_layers(make_model: MakeModel) -> None:
    """Averaging of weights copies models."""
    model = make_model()
    recompute_layers(model)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert copied(torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])).any()
