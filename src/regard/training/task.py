"""The LightningModule of all tasks: optimization, evaluation and checkpoints of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities import GradClipAlgorithmType
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.inference.generator import Generator
from regard.model.encoders.with_encoder import WithEncoder
from regard.training.activation_checkpointing import recompute_layers
from regard.training.checkpoint import describe_model, rename_optimizer_state
from regard.training.compilation import compile_training
from regard.training.distributed.sharding import reshard, shard, unshard
from regard.training.objectives.objective import Objective
from regard.training.parameter_groups import optimizer_of
from regard.training.schedule import Schedule
from regard.training.scorers.scorer import EvaluatedData, Sample, Scorer


class Task(pl.LightningModule):
    """Trains and evaluates one model.

    model_config: the configuration of ``model`` as plain values, stored in checkpoints
    tokenizers: the vocabularies; tokenizer_config: their configuration as plain values, stored in checkpoints
    optimizer: makes the optimizer from parameter groups (a partial)
    schedule: the factor on the learning rate at each step
    objective: the loss, and the metrics that follow from it
    generator: the class that uses the trained model; scorer: computes metrics other than the loss, with a generator
    data: the splits
    compile: compile the training pass with ``torch.compile``; does not change checkpoints
    activation_checkpointing: store only the input of each layer, and compute the rest again in the backward pass
    """

    def __init__(
        self,
        model: WithEncoder,
        model_config: dict[str, Any],
        tokenizers: Tokenizers,
        tokenizer_config: dict[str, Any],
        optimizer: Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer],
        schedule: Schedule,
        name: str,
        objective: Objective,
        compile: bool,
        generator: Callable[[Any, Tokenizers], Generator],
        scorer: Scorer,
        data: EvaluatedData,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.model_config = model, model_config
        self.tokenizers, self.tokenizer_config = tokenizers, tokenizer_config
        self.generator = generator(model, tokenizers)
        self.optimizer, self.schedule = optimizer, schedule
        self.name, self.objective, self.scorer, self.data = name, objective, scorer, data
        self.samples: list[Sample] = []
        if activation_checkpointing:
            recompute_layers(model)
        if compile:
            compile_training(model, objective)

    def configure_model(self) -> None:
        """Shard the model if the strategy requires it. Lightning calls this before each fit and test."""
        if isinstance(self.trainer.strategy, ModelParallelStrategy) and not isinstance(self.model, FSDPModule):
            shard(self.model, init_device_mesh(self.trainer.strategy.root_device.type, (self.trainer.world_size,)))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the share of this batch in the loss of the step, which is the mean over all targets of the step.

        Lightning averages over ranks and over accumulated batches. The factor reverses both, so that the gradient is
        that of the mean over targets, for any distribution of the targets over batches.
        """
        share = self.objective.share(self.model, batch)
        return {
            "loss": share * self.trainer.world_size * self.trainer.accumulate_grad_batches,
            "share": share.detach(),
        }

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate a batch of the validation part."""
        self._evaluate(batch, "validation")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate a batch of the test part."""
        self._evaluate(batch, "test")

    def on_validation_start(self) -> None:
        """Unshard the weights: each process evaluates with all of them."""
        unshard(self.model)

    def on_validation_end(self) -> None:
        """Shard the weights again."""
        reshard(self.model)

    def on_test_start(self) -> None:
        """Unshard the weights, as for a validation."""
        unshard(self.model)

    def on_test_end(self) -> None:
        """Shard the weights again."""
        reshard(self.model)

    def on_validation_epoch_start(self) -> None:
        """Reset the sums and outputs."""
        self._sums = torch.zeros((), dtype=torch.float64)  # in the shape of the objective after the first batch
        self._outputs: dict[int, Any] = {}

    def on_test_epoch_start(self) -> None:
        """Reset the sums and outputs."""
        self.on_validation_epoch_start()

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation part."""
        self._log_split("validation")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test part."""
        self._log_split("test")

    def configure_optimizers(self) -> Any:
        """Return the optimizer of `optimizer_of`, and the schedule, which changes at each step."""
        optimizer = optimizer_of(self.model, self.optimizer)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients as the trainer is configured, also in bf16-mixed with a fused optimizer.

        Lightning refuses fused optimizers in all mixed precisions, because gradients are scaled in float16.
        """
        plugin = self.trainer.precision_plugin
        if isinstance(plugin, MixedPrecision) and plugin.scaler is None:
            algorithm = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
            Precision.clip_gradients(plugin, optimizer, gradient_clip_val or 0.0, algorithm)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the description of the model, and key the state of the optimizer by the names of the weights."""
        if any(states := checkpoint.get("optimizer_states", [])):  # with sharding, only rank 0 has the whole state
            names = {parameter: name for name, parameter in self.named_parameters()}
            checkpoint["optimizer_states"] = [
                rename_optimizer_state(state, [[names[p] for p in group["params"]] for group in optimizer.param_groups])
                for state, optimizer in zip(states, self.trainer.optimizers, strict=True)
            ]
        checkpoint.update(
            describe_model(self.name, type(self.generator), self.model_config, self.tokenizer_config, self.tokenizers)
        )

    def _evaluate(self, batch: Batch, split: Split) -> None:
        self._sums = self._sums + self.objective.sums(self.model, batch).double().cpu()
        self._outputs.update(self.scorer.outputs(self, batch, split))

    def _log_split(self, split: Split) -> None:
        """Compute and log the metrics of a split over all ranks. Each rank computes the same values."""
        gathered: list[Any] = [(self._sums, self._outputs)]
        if self.trainer.world_size > 1:
            gathered = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (self._sums, self._outputs))
        metrics = self.objective.metrics(sum((sums for sums, _ in gathered), torch.zeros((), dtype=torch.float64)))
        outputs = {row: output for _, outputs in gathered for row, output in outputs.items()}
        self.samples = self.scorer.samples(self, split, outputs)
        metrics |= self.scorer.scores(self, split, metrics["loss"], self.samples)
        named = {f"{split}/{name}": value for name, value in metrics.items()}
        self.log_dict(named, logger=False, sync_dist=True)
