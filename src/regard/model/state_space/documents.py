"""Documents that are packed into one sequence, as separate sequences."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Sequences = Float[Tensor, "batch length dim"]


def document_starts(mask: Bool[Tensor, "batch length length"]) -> Bool[Tensor, "batch length"]:
    """Return True where a position may not attend to the one before it."""
    starts = torch.ones(mask.shape[:2], dtype=torch.bool, device=mask.device)
    starts[:, 1:] = ~mask.diagonal(-1, dim1=1, dim2=2)
    return starts


def by_document(mix: Callable[[Sequences], Sequences], x: Sequences, starts: Bool[Tensor, "batch length"]) -> Sequences:
    """Apply a causal ``mix`` to each document as a separate sequence.

    Documents of similar length (within a factor of two) are mixed together, padded on the right. At most half of the
    mixed positions are padding.
    """
    index = torch.arange(starts.numel(), device=x.device)
    begins = index[starts.flatten()]
    lengths = torch.diff(begins, append=index.new_tensor([starts.numel()]))
    flat, mixed = x.flatten(0, 1), torch.zeros_like(x.flatten(0, 1))
    sizes = (lengths - 1).clamp(min=1).log2().floor().long()
    for size in sizes.unique().tolist():
        chosen = sizes == size
        offsets = torch.arange(int(lengths[chosen].max()), device=x.device)
        inside = offsets < lengths[chosen, None]
        places = (begins[chosen, None] + offsets)[inside]
        rows = x.new_zeros(*inside.shape, x.shape[-1])
        rows[inside] = flat[places]
        outputs = mix(rows)[inside]
        mixed = mixed.to(outputs.dtype).index_copy(0, places, outputs)
    return mixed.view(*x.shape[:2], -1)
