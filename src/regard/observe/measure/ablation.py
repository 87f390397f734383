"""Heads switched off, to see what they are good for (Michel et al. 2019, section 2.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD
from regard.inference.forced_pass import forced_logits, summed_loss
from regard.model.attention import MultiHeadAttention
from regard.model.transformer import Transformer


def attention_modules(model: nn.Module) -> dict[str, MultiHeadAttention]:
    """Every attention of the model under the name of its map, such as ``decoder.2.cross``."""
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            stack, _, layer, *inner = path.split(".")
            found[f"{stack}.{layer}.{'cross' if inner[0] == 'cross' else 'self'}"] = module
    return found


@contextmanager
def ablated(model: nn.Module, heads: Mapping[str, Collection[int]]) -> Iterator[None]:
    """Within the block nothing that these heads heard is passed on: ``{"decoder.2.cross": [0, 3]}``.

    What a head adds to the output is its slice of the channels through the output projection; that slice is zeroed.
    The projection's bias, which belongs to no head, stays. Raises KeyError for a map that the model has not, and
    IndexError for a head that it has not.
    """
    modules = attention_modules(model)
    with ExitStack() as hooks:
        for name, numbers in heads.items():
            attention = modules[name]
            open_gates = torch.ones(attention.num_heads, dtype=torch.bool)
            open_gates[list(numbers)] = False
            hooks.callback(attention.output.register_forward_pre_hook(_close(open_gates, attention.head_dim)).remove)
        yield


def _close(open_gates: Tensor, head_dim: int) -> Callable[[nn.Module, tuple[Tensor]], Tensor]:
    channels = open_gates.repeat_interleave(head_dim)

    def close(module: nn.Module, given: tuple[Tensor]) -> Tensor:
        return torch.where(channels.to(given[0].device), given[0], 0.0)

    return close


@torch.inference_mode()
def mean_loss(model: Transformer, batches: Sequence[Batch]) -> float:
    """The cross-entropy of the real target tokens, a mean over all of them, in nats."""
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    for batch in batches:
        batch = batch.on(device)
        total += summed_loss(forced_logits(model, batch), batch.target).item()
        tokens += int((batch.target != PAD).sum())
    return total / tokens


def head_importance(
    model: Transformer, batches: Sequence[Batch]
) -> tuple[float, dict[str, Float[np.ndarray, "heads"]]]:
    """The loss in nats a token, and by map how much it grows as each head alone is ablated.

    Below 0 where the model does better without the head.
    """
    whole = mean_loss(model, batches)
    changes = {}
    for name, attention in attention_modules(model).items():
        losses = []
        for head in range(attention.num_heads):
            with ablated(model, {name: [head]}):
                losses.append(mean_loss(model, batches))
        changes[name] = np.array(losses) - whole
    return whole, changes
