"""The parameters of a model in groups that are updated in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from regard.model.own_parameters import ParameterSettings, parameter_settings

MATRIX, VECTOR = ParameterSettings(), ParameterSettings(weight_decay=False)


def optimizer_of(
    model: nn.Module, make: Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]
) -> torch.optim.Optimizer:
    """Return an optimizer of the trained parameters of ``model``.

    Matrices have weight decay and vectors have none, except those of modules that declare other settings.

    make: makes the optimizer from groups of parameters
    """
    declared = dict(parameter_settings(model))
    groups: dict[ParameterSettings, list[nn.Parameter]] = {MATRIX: [], VECTOR: []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            settings = declared.get(parameter, MATRIX if parameter.ndim > 1 else VECTOR)
            groups.setdefault(settings, []).append(parameter)
    optimizer = make(
        {"params": parameters} | ({} if settings.weight_decay else {"weight_decay": 0.0})
        for settings, parameters in groups.items()
    )
    for group, settings in zip(optimizer.param_groups, groups, strict=True):
        if settings.max_lr is not None:
            group["lr"] = min(group["lr"], settings.max_lr)
    return optimizer
