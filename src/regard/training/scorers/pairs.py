"""Validation pairs whose attention is recorded: the first short ones, or the shortest ones."""

from __future__ import annotations

import heapq
import warnings
from itertools import islice

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.training.scorers.scorer import EvaluatedData, ProbeExample


def fits(text: str, tokenizer: Tokenizer, longest: int) -> bool:
    """Return whether a text is not blank and has at most ``longest`` tokens, its end included."""
    return bool(text.strip()) and len(tokenizer.encode(text)) < longest


def first_pairs(data: EvaluatedData, tokenizer: Tokenizer, count: int, longest: int) -> list[ProbeExample]:
    """Return the first ``count`` pairs whose source fits; the shortest ones if none does."""
    records = (record for record in data.records("validation") if fits(record[0], tokenizer, longest))
    found = [ProbeExample("first", source, source, None, target) for source, target in islice(records, max(1, count))]
    return found[:count] if found else _shortest(data, tokenizer, max(1, count), longest)


def _shortest(data: EvaluatedData, tokenizer: Tokenizer, count: int, longest: int) -> list[ProbeExample]:
    """Return the ``count`` shortest pairs; warn with the name of the key."""
    lengths = (
        (len(tokenizer.encode(source)) + 1, source, target)
        for source, target in data.records("validation")
        if source.strip()
    )
    found = heapq.nsmallest(count, lengths, key=lambda each: each[0])
    if not found:
        warnings.warn("callbacks.attention: all validation sentences are empty, none is recorded", stacklevel=2)
        return []
    warnings.warn(
        f"callbacks.attention.longest={longest}: all validation sentences have more tokens; "
        f"the shortest are recorded instead, the first has {found[0][0]} tokens",
        stacklevel=2,
    )
    return [ProbeExample("shortest", source, source, None, target) for _, source, target in found]
