"""Teacher forcing: the decoder reads the tokens of a known target and predicts each from those before it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from regard.data.batching import Batch, pad
from regard.data.tokenizer.specials import BOS


def decoder_prefix(target: Sequence[int]) -> list[int]:
    """Return what the decoder reads to predict ``target``: ``<s>`` and ``target`` without its last token."""
    return [BOS, *target[:-1]]


def forced_batch(
    source: Tensor, targets: Sequence[Sequence[int]], rows: list[int], step_tokens: int | None = None
) -> Batch:
    """Return a batch of a collated source and the token ids of its targets, the ends included.

    ``rows`` are their numbers in the split. ``step_tokens`` are the target tokens of the whole optimizer step; by
    default those of this batch.
    """
    return Batch(
        prefix=pad([decoder_prefix(target) for target in targets]),
        target=pad(targets),
        source=source,
        documents=None,
        step_tokens=sum(map(len, targets)) if step_tokens is None else step_tokens,
        rows=rows,
    )
