"""The protocol of an objective: what a model is trained for, and the metrics that follow from its loss."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from torch import Tensor

from regard.data.batching import Batch


class Objective(Protocol):
    """The loss of a task. How a trained model is sampled is defined by its `regard.inference.generator.Generator`.

    unit: plural noun for targets
    """

    unit: ClassVar[str]

    def compile(self) -> None:
        """Use torch.compile for `share`, as far as that makes it faster; called once, before training."""

    def share(self, model: Any, batch: Batch) -> Tensor:
        """Return the share of a training batch in the loss of its optimizer step, a scalar in float32.

        It is the sum of the losses of all targets of the batch, divided by ``batch.step_tokens``. The shares of all
        batches of a step, on all processes, therefore add up to the mean over the targets of the step. Random numbers
        are those of torch's global generator, which a resumed run restores.
        """

    def sums(self, model: Any, batch: Batch) -> Tensor:
        """Return sums over the targets of an evaluation batch: all that `metrics` needs of it.

        The shape is the same for every batch. The sums of a row do not depend on the other rows of its batch. An
        objective that needs random numbers derives them from ``batch.rows``, so that every evaluation has the same.
        """

    def metrics(self, sums: Tensor) -> dict[str, float]:
        """Return the metrics of a split from its ``sums`` over all batches and processes, in float64 on the CPU.

        ``loss`` is one of them: the mean over the targets.
        """
