"""The output layer and its cross-entropy, some rows at a time.

Logits of all tokens take more memory than all other activations together, and passes over them take more time than
their matrix products. Here the logits of a chunk of rows become probabilities and then gradients in the same buffer
(as in Cut Cross-Entropy, Wijmans et al. 2025, without its custom kernel), and label smoothing needs no pass at all.
torch.nn.functional.linear_cross_entropy, since torch 2.15, has chunks too, but not with label smoothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from regard.data.tokenizer.specials import PAD

CPU_LOGITS = 1 << 21
"""Number of logits of a chunk on a CPU: 8 MiB in float32, which the caches of most processors hold."""
GPU_LOGITS = 1 << 27
"""On a GPU: 512 MiB in float32. After each chunk the gradient of the whole matrix is updated, so that a few large
chunks take less time: those of 1,024 rows took 10 percent longer than those of 4,096 (H200, 50,257 tokens)."""
GPU_MULTIPLE = 64
"""Tokens are padded to a multiple of this on a GPU. Products with 50,257 tokens took six times as long as with 50,304:
most kernels need rows whose size is a multiple of 16 bytes."""
FEWEST_ROWS = 256
"""Of a chunk: products of fewer rows are slower."""
MOST_CHUNKS = 64
"""Of a batch: with more, a long batch would take much time for many small operations."""


def output_loss(
    hidden: Float[Tensor, "*shape dim"],
    weight: Float[Tensor, "vocab dim"],
    target: Int[Tensor, "*shape"],
    label_smoothing: float = 0.0,
    compiled: bool = False,
) -> Float[Tensor, ""]:
    """Compute the cross-entropy of all targets, padding excluded: their sum, in nats and float32.

    Equal to `torch.nn.functional.cross_entropy` of ``hidden @ weight.T`` with ``reduction="sum"``, but gradients are
    computed together with the loss, so that logits of all rows never exist. In mixed precision, products are those of
    autocast, and their sums are in float32. The loss cannot be differentiated twice.

    label_smoothing: the probability that is spread over all tokens (Szegedy et al. 2016, section 7)
    compiled: use torch.compile for the softmax on a GPU; on a CPU it would take longer
    """
    with_gradients = torch.is_grad_enabled()  # inside of a Function it is always off
    loss: Tensor = _OutputLoss.apply(
        hidden.flatten(0, -2), weight, target.flatten(), label_smoothing, compiled, with_gradients
    )
    return loss


class _OutputLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        target: Tensor,
        label_smoothing: float,
        compiled: bool,
        with_gradients: bool,
    ) -> Tensor:
        device = hidden.device.type
        products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with_gradients = with_gradients and any(ctx.needs_input_grad)
        with torch.autocast(device, enabled=False):
            loss, *gradients = _loss_and_gradients(
                hidden.to(products), weight.to(products), target, label_smoothing, compiled, with_gradients
            )
        ctx.save_for_backward(*(each.to(of.dtype) for each, of in zip(gradients, (hidden, weight), strict=False)))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_loss: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_weight = ctx.saved_tensors
        return of_hidden * of_loss, of_weight * of_loss, None, None, None, None


def _loss_and_gradients(
    hidden: Float[Tensor, "rows dim"],
    weight: Float[Tensor, "vocab dim"],
    target: Int[Tensor, " rows"],
    label_smoothing: float,
    compiled: bool,
    with_gradients: bool,
) -> list[Tensor]:
    """Return the loss in float32 and, if requested, its gradients: of ``hidden`` and, in float32, of ``weight``.

    With smoothing s, the loss of a row is lse(z) - (1 - s) z[target] - s mean(z), and its gradient by the logits z is
    softmax(z) - (1 - s) onehot(target) - s / vocab. The last terms of both are products of ``hidden`` with the mean of
    all rows of ``weight``, and are not computed per logit.
    """
    vocab, on_cpu = len(weight), hidden.device.type == "cpu"
    softmax = _compiled_softmax() if compiled and not on_cpu else _softmax
    matrix = weight if on_cpu else pad(weight, (0, 0, 0, -vocab % GPU_MULTIPLE))
    real = (target != PAD).to(hidden.dtype)
    loss = hidden.new_zeros((), dtype=torch.float32)
    of_hidden, of_matrix = torch.empty_like(hidden), torch.zeros_like(matrix, dtype=torch.float32)
    logits_at_once = CPU_LOGITS if on_cpu else GPU_LOGITS
    size = max(FEWEST_ROWS, logits_at_once // vocab, -(-len(target) // MOST_CHUNKS))
    chunks = max(1, -(-len(target) // size))
    for some, answers, weights, result in zip(
        *(tensor.chunk(chunks) for tensor in (hidden, target[:, None], real[:, None], of_hidden)), strict=True
    ):
        logits = some @ matrix.T
        logits[:, vocab:] = -torch.inf
        own = logits.gather(-1, answers).float()
        log_sum, shares = softmax(logits)
        loss += ((log_sum - (1 - label_smoothing) * own) * weights).sum()
        if with_gradients:
            shares.scatter_(-1, answers, ((own - log_sum).exp() - (1 - label_smoothing)).to(shares.dtype))
            torch.mul(shares @ matrix, weights, out=result)
            of_matrix += shares.T @ (some * weights)
    gradients = [of_hidden, of_matrix[:vocab]] if with_gradients else []
    if label_smoothing:
        mean_weight, sum_hidden = weight.float().mean(dim=0), real.float() @ hidden.float()
        loss -= label_smoothing * (mean_weight @ sum_hidden)
        if with_gradients:
            of_hidden -= (real[:, None] * (label_smoothing * mean_weight)).to(hidden.dtype)
            of_matrix[:vocab] -= label_smoothing / vocab * sum_hidden
    return [loss, *gradients]


def _softmax(logits: Float[Tensor, "rows vocab"]) -> tuple[Float[Tensor, "rows 1"], Float[Tensor, "rows vocab"]]:
    """Return log(sum(exp(logits))) of each row in float32, and the softmax in the dtype of ``logits``.

    Both are computed in float32. ``logits`` may be overwritten.
    """
    if torch.compiler.is_compiling():  # fused to two passes over the logits
        exact = logits.float()
        log_sum = exact.logsumexp(dim=-1, keepdim=True)
        return log_sum, (exact - log_sum).exp().to(logits.dtype)
    largest = logits.amax(dim=-1, keepdim=True).float()
    in_place = logits if logits.dtype == torch.float32 else None
    shares = torch.softmax(logits, dim=-1, dtype=torch.float32, out=in_place)
    log_sum = largest - shares.amax(dim=-1, keepdim=True).log()  # that share is exp(largest - log_sum)
    return log_sum, shares.to(logits.dtype)


@cache
def _compiled_softmax() -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(_softmax, dynamic=True)
