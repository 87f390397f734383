"""The training loop of the peers: autocast, AdamW in one kernel, no clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from work import Step, Work

from regard.cost.precision import autocast

Some = TypeVar("Some")


def training_steps(
    model: nn.Module,
    work: Work,
    batches: Sequence[Some],
    loss: Callable[[Some], Tensor],
    tokens: Callable[[Some], int],
) -> Step:
    """Return steps that train ``model``, one batch each, and the real target tokens of a batch."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=3e-4, betas=(0.9, 0.98), fused=True)

    def step(number: int) -> int:
        batch = batches[number % len(batches)]
        with autocast(work.precision, work.device):
            value = loss(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return tokens(batch)

    return step
