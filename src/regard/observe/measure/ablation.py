"""Importance of heads by ablation (Michel et al. 2019, section 2.3)."""

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
    """Return the attention modules of the model by the name of their map, such as ``decoder.2.cross``."""
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            stack, _, layer, *inner = path.split(".")
            found[f"{stack}.{layer}.{'cross' if inner[0] == 'cross' else 'self'}"] = module
    return found


@contextmanager
def ablated(model: nn.Module, heads: Mapping[str, Collection[int]]) -> Iterator[None]:
    """Ablate ``heads`` within the context, for example ``{"decoder.2.cross": [0, 3]}``.

    The slice of channels of each head is set to zero before the output projection. The bias of the projection, which
    belongs to no head, is unchanged. Raises KeyError for an unknown map and IndexError for an unknown head.
    """
    modules = attention_modules(model)
    with ExitStack() as hooks:
        for name, numbers in heads.items():
            attention = modules[name]
            active = torch.ones(attention.num_heads, dtype=torch.bool)
            active[list(numbers)] = False
            hooks.callback(attention.output.register_forward_pre_hook(_zero(active, attention.head_dim)).remove)
        yield


def _zero(active: Tensor, head_dim: int) -> Callable[[nn.Module, tuple[Tensor]], Tensor]:
    """Return a hook that sets the channels of inactive heads to zero."""
    channels = active.repeat_interleave(head_dim)

    def hook(module: nn.Module, given: tuple[Tensor]) -> Tensor:
        return torch.where(channels.to(given[0].device), given[0], 0.0)

    return hook


@torch.inference_mode()
def mean_loss(model: Transformer, batches: Sequence[Batch]) -> float:
    """Return the mean cross-entropy of all target tokens, without padding, in nats."""
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    for batch in batches:
        batch = batch.on(device)
        total += summed_loss(forced_logits(model, batch), batch.target).item()
        tokens += int((batch.target != PAD).sum())
    return total / tokens


def head_importance(model: nn.Module, loss: Callable[[], float]) -> tuple[float, dict[str, Float[np.ndarray, "heads"]]]:
    """Return the loss of the model and, by map, its increase if a single head is ablated.

    The increase is negative if the model is better without the head.

    loss: computes it with the present model, for example `mean_loss` of a sample
    """
    whole = loss()
    changes = {}
    for name, attention in attention_modules(model).items():
        losses = []
        for head in range(attention.num_heads):
            with ablated(model, {name: [head]}):
                losses.append(loss())
        changes[name] = np.array(losses) - whole
    return whole, changes
