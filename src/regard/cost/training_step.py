"""A training step without Lightning: the same operations in the same order."""

from __future__ import annotations

from typing import Any

import torch

from regard.cost.precision import autocast
from regard.data.batching import Batch
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.training.objectives.objective import Objective
from regard.training.parameter_groups import optimizer_of


class TrainingStep:
    """Steps of one process that trains ``model`` on one batch, as `regard.training.task.Task` and Lightning do."""

    def __init__(self, model: Transformer, batch: Batch, config: dict[str, Any], device: torch.device) -> None:
        self.model, self.batch = model.train(), batch
        self.objective: Objective = build(config["task"]["objective"])
        self.clip = config["trainer"]["gradient_clip_val"]
        self.precision, self.device = config["trainer"]["precision"], device
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = optimizer_of(model, build(config["optimizer"]))

    def forward(self) -> torch.Tensor:
        """Compute the loss of a micro-batch."""
        with autocast(self.precision, self.device):
            return self.objective.share(self.model, self.batch)

    def backward(self, loss: torch.Tensor, first: bool) -> None:
        """Add the gradients of a micro-batch. Those of the last step are cleared here, after a forward pass."""
        if first:
            self.optimizer.zero_grad()
        loss.backward()

    def update(self) -> None:
        """Clip the gradients and change the weights."""
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
