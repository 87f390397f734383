"""The one LightningModule: every task trains p(next token | prefix, memory) with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities import GradClipAlgorithmType
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule

from regard.data.batching import Batch
from regard.data.corpora.corpus import Record, Split
from regard.data.tokenizer.specials import PAD
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.inference.forced_pass import forced_logits, summed_loss
from regard.inference.perplexity import perplexity
from regard.model.transformer import Transformer
from regard.training.activation_checkpointing import recompute_layers
from regard.training.checkpoint import describe_model, rename_optimizer_state
from regard.training.distributed.sharding import reshard, shard, unshard
from regard.training.schedule import Schedule


class Sample(NamedTuple):
    """One row of an evaluated split to read: what was given, what was wanted, what came out."""

    source: str
    reference: str
    output: str


class EvaluatedText(Protocol):
    """What a task's data can tell of a split beside its batches."""

    def texts(self, split: Split) -> tuple[list[str], ...]:
        """The texts of the split, a list a column."""

    def records(self, split: Split) -> Iterator[Record]:
        """The same, record by record, without holding them."""

    def size(self, split: Split) -> tuple[int, int]:
        """Of the split's targets: tokens, ends included, and bytes in UTF-8."""


class Scorer(Protocol):
    """What a task reports of a split beyond the loss."""

    def outputs(self, task: Task, batch: Batch, split: Split) -> dict[int, str]:
        """What the model makes of rows of the batch, by row."""

    def samples(self, task: Task, split: Split, outputs: dict[int, str]) -> list[Sample]:
        """Rows of the whole split to read and to score, given all of their outputs."""

    def scores(self, task: Task, split: Split, loss: float, samples: list[Sample]) -> dict[str, float]:
        """Metrics of the split; ``loss`` is the mean over its tokens in nats."""

    def score_sample(self, sample: Sample) -> float | None:
        """How well one row came out, 0 to 100; None where that means nothing."""

    def signatures(self) -> dict[str, str]:
        """How exactly the metrics that want it said were computed; after ``scores``."""


class Task(pl.LightningModule):
    """Trains and scores one model.

    model_config: the plain configuration that ``model`` was made from, kept in checkpoints
    tokenizers: the vocabularies; tokenizer_config: the plain configuration that they were made from, likewise kept
    optimizer: makes the optimizer from parameter groups (a partial)
    schedule: the factor on the learning rate at each step
    label_smoothing: the share of probability spread over all tokens (Szegedy et al. 2016, section 7)
    scorer: what the task reports beyond the loss; data: the texts of the splits
    compile: run the training pass through ``torch.compile``; checkpoints are the same either way
    activation_checkpointing: keep the input of each layer and compute the rest again in the backward pass
    """

    def __init__(
        self,
        model: Transformer,
        model_config: dict[str, Any],
        tokenizers: Tokenizers,
        tokenizer_config: dict[str, Any],
        optimizer: Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer],
        schedule: Schedule,
        name: str,
        label_smoothing: float,
        compile: bool,
        scorer: Scorer,
        data: EvaluatedText,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.model_config = model, model_config
        self.tokenizers, self.tokenizer_config = tokenizers, tokenizer_config
        self.source_tokenizer, self.target_tokenizer = tokenizers
        self.optimizer, self.schedule = optimizer, schedule
        self.name, self.label_smoothing, self.scorer, self.data = name, label_smoothing, scorer, data
        self.samples: list[Sample] = []
        if activation_checkpointing:
            recompute_layers(model)
        if compile:
            model.compile(dynamic=True)  # in place, so the names of the weights stay

    def configure_model(self) -> None:
        """Shard the model if the strategy wants that; once, though Lightning asks before each fit and test."""
        if isinstance(self.trainer.strategy, ModelParallelStrategy) and not isinstance(self.model, FSDPModule):
            shard(self.model, init_device_mesh(self.trainer.strategy.root_device.type, (self.trainer.world_size,)))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """This batch's share of the step's loss: a mean over the real target tokens of the whole step.

        Lightning averages over ranks and divides by the accumulated batches; the factor undoes both,
        so that the gradient is that of the mean over tokens, however they were dealt.
        """
        share = summed_loss(forced_logits(self.model, batch), batch.target, self.label_smoothing) / batch.step_tokens
        return {
            "loss": share * self.trainer.world_size * self.trainer.accumulate_grad_batches,
            "share": share.detach(),
        }

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Sum up what the batch adds to the split's metrics."""
        self._evaluate(batch, "validation")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Sum up what the batch adds to the split's metrics."""
        self._evaluate(batch, "test")

    def on_validation_start(self) -> None:
        """Every process evaluates with all of the weights."""
        unshard(self.model)

    def on_validation_end(self) -> None:
        """And keeps its share."""
        reshard(self.model)

    def on_test_start(self) -> None:
        """As for a validation."""
        unshard(self.model)

    def on_test_end(self) -> None:
        """As for a validation."""
        reshard(self.model)

    def on_validation_epoch_start(self) -> None:
        """Begin a split."""
        self._sums = torch.zeros(3, dtype=torch.float64)
        self._outputs: dict[int, str] = {}

    def on_test_epoch_start(self) -> None:
        """Begin a split."""
        self.on_validation_epoch_start()

    def on_validation_epoch_end(self) -> None:
        """Report the split."""
        self._report("validation")

    def on_test_epoch_end(self) -> None:
        """Report the split."""
        self._report("test")

    def configure_optimizers(self) -> Any:
        """Weight decay on matrices only; the schedule moves with every optimizer step."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        matrices, vectors = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
        optimizer = self.optimizer([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer is told to, in bf16-mixed too.

        Lightning refuses that to a fused optimizer in mixed precision, for gradients that it scales for float16.
        """
        plugin = self.trainer.precision_plugin
        if isinstance(plugin, MixedPrecision) and plugin.scaler is None:
            algorithm = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
            Precision.clip_gradients(plugin, optimizer, gradient_clip_val or 0.0, algorithm)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to use the model without the run, and name what the optimizer knows of each weight."""
        if any(states := checkpoint.get("optimizer_states", [])):  # of shards rank 0 alone has the whole state
            names = {parameter: name for name, parameter in self.named_parameters()}
            checkpoint["optimizer_states"] = [
                rename_optimizer_state(state, [[names[p] for p in group["params"]] for group in optimizer.param_groups])
                for state, optimizer in zip(states, self.trainer.optimizers, strict=True)
            ]
        checkpoint.update(describe_model(self.name, self.model_config, self.tokenizer_config, self.tokenizers))

    def _evaluate(self, batch: Batch, split: Split) -> None:
        logits = forced_logits(self.model, batch)
        real = batch.target != PAD
        right = (logits.argmax(dim=-1) == batch.target) & real
        sums = torch.stack([summed_loss(logits, batch.target), real.sum(), right.sum()])
        self._sums += sums.double().cpu()
        self._outputs.update(self.scorer.outputs(self, batch, split))

    def _report(self, split: Split) -> None:
        """Metrics over all ranks; each rank computes the same."""
        gathered: list[Any] = [(self._sums, self._outputs)]
        if self.trainer.world_size > 1:
            gathered = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (self._sums, self._outputs))
        total, tokens, right = sum((sums for sums, _ in gathered), torch.zeros(3, dtype=torch.float64)).tolist()
        outputs = {row: output for _, outputs in gathered for row, output in outputs.items()}
        self.samples = self.scorer.samples(self, split, outputs)
        metrics = {
            "loss": total / tokens,
            "perplexity": perplexity(total / tokens),
            "accuracy": right / tokens,
        }
        metrics.update(self.scorer.scores(self, split, total / tokens, self.samples))
        named = {f"{split}/{name}": value for name, value in metrics.items()}
        self.log_dict(named, logger=False, sync_dist=True)
