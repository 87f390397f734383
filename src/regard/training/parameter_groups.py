"""The parameters of a model in groups that are updated in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from regard.model.layer import Layer
from regard.model.linear import ZeroLinear
from regard.model.own_parameters import ParameterSettings, parameter_settings
from regard.training.muon import Muon

MATRIX, VECTOR = ParameterSettings(), ParameterSettings(weight_decay=False)
HIDDEN = ParameterSettings(hidden=True)


def optimizer_of(
    model: nn.Module, make: Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]
) -> torch.optim.Optimizer:
    """Return an optimizer of the trained parameters of ``model``.

    Matrices have weight decay and vectors have none, except those of modules that declare other settings. With `Muon`,
    the first group has the matrices of `hidden_matrices`.

    make: makes the optimizer from groups of parameters
    """
    declared: dict[Tensor, ParameterSettings] = dict(parameter_settings(model))
    groups: dict[ParameterSettings, list[nn.Parameter]] = {MATRIX: [], VECTOR: []}
    if _makes_muon(make):
        declared |= dict.fromkeys(hidden_matrices(model), HIDDEN)
        groups = {HIDDEN: []} | groups
    for parameter in model.parameters():
        if parameter.requires_grad:
            settings = declared.get(parameter, MATRIX if parameter.ndim > 1 else VECTOR)
            groups.setdefault(settings, []).append(parameter)
    optimizer = make(
        {"params": parameters}
        | ({} if settings.weight_decay else {"weight_decay": 0.0})
        | ({"hidden": True} if settings.hidden else {})
        for settings, parameters in groups.items()
    )
    for group, settings in zip(optimizer.param_groups, groups, strict=True):
        if settings.max_lr is not None:
            group["lr"] = min(group["lr"], settings.max_lr)
    return optimizer


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Return the weights of the linear layers between vectors of hidden layers, in a fixed order.

    They are those inside a `Layer`. Embeddings, output projections and the input of an encoder are outside. A
    `ZeroLinear` is not one of them: its outputs are the scales and shifts of norms, which are vectors.
    """
    return [
        linear.weight
        for layer in model.modules()
        if isinstance(layer, Layer)
        for linear in layer.modules()
        if isinstance(linear, nn.Linear) and not isinstance(linear, ZeroLinear)
    ]


def _makes_muon(make: Callable[..., Any]) -> bool:
    target = make.func if isinstance(make, partial) else make
    return isinstance(target, type) and issubclass(target, Muon)
