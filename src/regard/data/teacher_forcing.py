"""Teacher forcing: the decoder reads the tokens of a known target and predicts each from those before it."""

from __future__ import annotations

from collections.abc import Sequence

from regard.data.batching import Batch, pad
from regard.data.tokenizer.specials import BOS


def decoder_prefix(target: Sequence[int]) -> list[int]:
    """Return what the decoder reads to predict ``target``: ``<s>`` and ``target`` without its last token."""
    return [BOS, *target[:-1]]


def pair_batch(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], rows: list[int], step_tokens: int | None = None
) -> Batch:
    """Return a batch of token ids, the ends included. ``rows`` are their numbers in the split.

    ``step_tokens`` are the target tokens of the whole optimizer step; by default those of this batch.
    """
    return Batch(
        prefix=pad([decoder_prefix(target) for target in targets]),
        target=pad(targets),
        source=pad(sources),
        documents=None,
        step_tokens=sum(map(len, targets)) if step_tokens is None else step_tokens,
        rows=rows,
    )
