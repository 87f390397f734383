"""The output layer and its cross-entropy, some rows at a time.

Logits of all tokens take more memory than all other activations together, and passes over them take more time than
their matrix products. Here the logits of a chunk of rows become probabilities and then gradients in the same buffer
(as in Cut Cross-Entropy, Wijmans et al. 2025, without its custom kernel), and label smoothing needs no pass at all.
torch.nn.functional.linear_cross_entropy, since torch 2.15, has chunks too, but not with label smoothing.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.data.tokenizer.specials import PAD

LOGITS = 1 << 21
"""Number of logits of a chunk: 8 MiB in float32, which the caches of most processors hold."""
FEWEST_ROWS = 256
"""Of a chunk: products of fewer rows are slower."""
MOST_CHUNKS = 64
"""Of a batch: with more, a long batch would take much time for many small operations."""


def output_loss(
    hidden: Float[Tensor, "*shape dim"],
    weight: Float[Tensor, "vocab dim"],
    target: Int[Tensor, "*shape"],
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Compute the cross-entropy of all targets, padding excluded: their sum, in nats and float32.

    Equal to `torch.nn.functional.cross_entropy` of ``hidden @ weight.T`` with ``reduction="sum"``, but gradients are
    computed together with the loss, so that logits of all rows never exist. In mixed precision, products are those of
    autocast, and their sums are in float32. The loss cannot be differentiated twice.

    label_smoothing: the probability that is spread over all tokens (Szegedy et al. 2016, section 7)
    """
    with_gradients = torch.is_grad_enabled()  # inside of a Function it is always off
    loss: Tensor = _OutputLoss.apply(hidden.flatten(0, -2), weight, target.flatten(), label_smoothing, with_gradients)
    return loss


class _OutputLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float, with_gradients: bool
    ) -> Tensor:
        device = hidden.device.type
        products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with_gradients = with_gradients and any(ctx.needs_input_grad)
        with torch.autocast(device, enabled=False):
            loss, *gradients = _loss_and_gradients(
                hidden.to(products), weight.to(products), target, label_smoothing, with_gradients
            )
        ctx.save_for_backward(*(each.to(of.dtype) for each, of in zip(gradients, (hidden, weight), strict=False)))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_loss: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_weight = ctx.saved_tensors
        return of_hidden * of_loss, of_weight * of_loss, None, None, None


def _loss_and_gradients(
    hidden: Float[Tensor, "rows dim"],
    weight: Float[Tensor, "vocab dim"],
    target: Int[Tensor, " rows"],
    label_smoothing: float,
    with_gradients: bool,
) -> list[Tensor]:
    """Return the loss in float32 and, if requested, its gradients: of ``hidden`` and, in float32, of ``weight``.

    With smoothing s, the loss of a row is lse(z) - (1 - s) z[target] - s mean(z), and its gradient by the logits z is
    softmax(z) - (1 - s) onehot(target) - s / vocab. The last terms of both are products of ``hidden`` with the mean of
    all rows of ``weight``, and are not computed per logit.
    """
    vocab = len(weight)
    real = (target != PAD).float()
    mean_weight = weight.float().mean(dim=0)
    loss = hidden.new_zeros((), dtype=torch.float32)
    of_hidden, of_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
    size = max(FEWEST_ROWS, LOGITS // vocab, -(-len(target) // MOST_CHUNKS))
    for some, answers, weights, result in zip(
        *(tensor.split(size) for tensor in (hidden, target[:, None], real[:, None], of_hidden)), strict=True
    ):
        logits = (some @ weight.T).float()
        largest = logits.amax(dim=-1, keepdim=True)
        own = logits.gather(-1, answers)
        shares = torch.softmax(logits, dim=-1, out=logits)
        log_sum = largest - shares.amax(dim=-1, keepdim=True).log()  # that share is exp(largest - log_sum)
        smooth = (some.float() @ mean_weight)[:, None]
        loss += ((log_sum - (1 - label_smoothing) * own - label_smoothing * smooth) * weights).sum()
        if with_gradients:
            shares.scatter_add_(-1, answers, torch.full_like(own, label_smoothing - 1)).mul_(weights)
            rounded = shares.to(weight.dtype)
            result.copy_(rounded @ weight)
            of_weight += rounded.T @ some
    if not with_gradients:
        return [loss]
    if label_smoothing:
        of_hidden -= (label_smoothing * real[:, None] * mean_weight).to(of_hidden.dtype)
        of_weight -= label_smoothing / vocab * (real @ hidden.float())
    return [loss, of_hidden, of_weight]
