"""Validation passages whose attention is recorded: beginnings of documents, and passages between blank lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.language_model import LanguageModel
from regard.training.scorers.scorer import EvaluatedData, ProbeExample

CANDIDATES = 64
"""Number of passages that are rated."""

SEARCHED_CHARACTERS = 1 << 20
"""Number of characters at the start of the validation part in which these passages are searched."""

BLANK_LINES = re.compile(r"\n\s*\n")


def first_beginnings(data: EvaluatedData, tokenizer: Tokenizer, count: int, longest: int) -> list[ProbeExample]:
    """Return the first ``longest`` tokens of the first ``count`` documents."""
    texts = (_begin(text, tokenizer, longest) for (text,) in data.records("validation") if text.strip())
    return [ProbeExample("first", text, None, text) for text in islice(texts, count)]


def rated_passages(
    data: EvaluatedData, model: LanguageModel, longest: int
) -> Iterator[tuple[tuple[float, int], ProbeExample]]:
    """Yield passages of at most ``longest`` tokens, evenly spaced over the searched part.

    The sort key is the mean log-probability of their tokens at the start of a document.
    """
    texts = list(dict.fromkeys(_passages(data, model.target_tokenizer, longest)))
    # The last token is the end of the document, which is not part of the passage.
    for text, (*tokens, _) in zip(texts, model.log_probabilities(texts), strict=True):
        mean = sum(value for _, value in tokens) / max(1, len(tokens))
        yield (mean, 0), ProbeExample(f"{-mean:.2f} nats/token", text, None, text)


def _passages(data: EvaluatedData, tokenizer: Tokenizer, longest: int) -> list[str]:
    found: list[str] = []
    room = SEARCHED_CHARACTERS
    for (text,) in data.records("validation"):
        found += [passage for passage in BLANK_LINES.split(text[:room]) if passage.strip()]
        room -= len(text)
        if room <= 0:
            break
    every = max(1, len(found) // CANDIDATES)
    return [_begin(passage, tokenizer, longest) for passage in found[::every][:CANDIDATES]]


def _begin(text: str, tokenizer: Tokenizer, longest: int) -> str:
    """Return the first ``longest`` tokens."""
    # A document may be a whole corpus, so that only 20 characters per token are encoded.
    return tokenizer.decode(tokenizer.encode(text[: 20 * longest])[:longest])
