"""Forced passes: the predictions of a model for known targets (teacher forcing), and their likelihood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD
from regard.model.transformer import Transformer


def forced_logits(model: Transformer, batch: Batch) -> Float[Tensor, "batch target vocab"]:
    """Compute the logits of each target token, given the tokens before it and the source."""
    logits: Tensor = model(batch.prefix, batch.source, documents=batch.documents)
    return logits


def summed_loss(
    logits: Float[Tensor, "batch target vocab"], target: Int[Tensor, "batch target"], label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Compute the cross-entropy of all target tokens, padding excluded: their sum, in nats and float32.

    ``label_smoothing`` is the probability that is spread over all tokens (Szegedy et al. 2016, section 7).
    """
    return cross_entropy(
        logits.flatten(0, 1).float(),
        target.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=label_smoothing,
    )


@torch.inference_mode()
def target_log_probabilities(model: Transformer, batches: Iterable[Batch]) -> Iterator[tuple[int, list[float]]]:
    """Yield the number of each row and the log-probabilities (natural) of its target tokens, batch by batch."""
    device = next(model.parameters()).device
    for batch in batches:
        batch = batch.on(device)
        scores = forced_logits(model, batch).float().log_softmax(dim=-1)
        values = scores.gather(-1, batch.target[..., None])[..., 0].tolist()
        lengths = (batch.target != PAD).sum(dim=-1).tolist()
        for row, length, row_values in zip(batch.rows, lengths, values, strict=True):
            yield row, row_values[:length]
