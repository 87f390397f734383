"""Prediction of the next token: the cross-entropy of p(next token | prefix, memory)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD
from regard.inference.forced_pass import forced_logits, summed_loss
from regard.inference.perplexity import perplexity
from regard.model.transformer import Transformer
from regard.training.objectives.output_loss import output_loss


class NextToken:
    """The mean cross-entropy of the target tokens in nats, padding excluded, given the tokens before them.

    label_smoothing: the probability that is spread over all tokens in training (Szegedy et al. 2016, section 7)
    """

    unit: ClassVar[str] = "tokens"

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing
        self.compiled = False

    def compile(self) -> None:
        """See `regard.training.objectives.objective.Objective`: on a GPU, the softmax is compiled."""
        self.compiled = True

    def share(self, model: Transformer, batch: Batch) -> Tensor:
        """Return the share of a batch in the loss of its optimizer step."""
        loss = partial(output_loss, target=batch.target, label_smoothing=self.label_smoothing, compiled=self.compiled)
        summed: Tensor = model(batch.prefix, batch.source, documents=batch.documents, output=loss)
        return summed / batch.step_tokens

    def sums(self, model: Transformer, batch: Batch) -> Tensor:
        """Return the loss without smoothing, the number of target tokens, and the number of those predicted."""
        logits = forced_logits(model, batch)
        real = batch.target != PAD
        correct = (logits.argmax(dim=-1) == batch.target) & real
        return torch.stack([summed_loss(logits, batch.target), real.sum(), correct.sum()])

    def metrics(self, sums: Tensor) -> dict[str, float]:
        """Return the mean loss, its perplexity, and the share of tokens whose most probable prediction is correct."""
        total, tokens, correct = sums.tolist()
        return {"loss": total / tokens, "perplexity": perplexity(total / tokens), "accuracy": correct / tokens}
