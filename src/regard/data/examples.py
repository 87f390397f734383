"""Examples of synthetic sequences by number: those of a prepared part, or of endless training."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from regard.data.batching import Indices
from regard.data.corpora.synthetic.synthetic import CHUNK, Symbols, Synthetic
from regard.data.prepare.store import TokenFile
from regard.data.tokenizer.specials import UNK
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import RegardError


class SymbolIds:
    """The token of each symbol of an alphabet.

    Raises RegardError if the vocabulary lacks a symbol: the model was trained with a smaller data.vocab_size.
    """

    def __init__(self, alphabet: str, tokenizer: Tokenizer) -> None:
        rows = tokenizer.encode_batch(list(alphabet))
        for symbol, row in zip(alphabet, rows, strict=True):
            if len(row) != 1 or row[0] == UNK:
                raise RegardError(
                    f"the vocabulary of the model has no token for the symbol {symbol}; train a new model, or choose a "
                    "data.vocab_size that it knows"
                )
        self.ids = np.array([row[0] for row in rows])
        self._symbol_of = np.full(tokenizer.vocab_size, -1)
        self._symbol_of[self.ids] = np.arange(len(alphabet))

    def symbols(self, ids: Indices) -> Symbols:
        """Return the symbols of tokens, of the same shape."""
        return self._symbol_of[ids]


class Examples(Protocol):
    """Examples by number."""

    def read(self, rows: list[int]) -> Symbols:
        """Return examples, Int64 "rows length"."""


class StoredExamples:
    """The examples of a prepared part."""

    def __init__(self, tokens: TokenFile, vocabulary: SymbolIds) -> None:
        self.tokens, self.vocabulary = tokens, vocabulary

    def __len__(self) -> int:
        return len(self.tokens)

    def read(self, rows: list[int]) -> Symbols:
        """See `Examples`."""
        return self.vocabulary.symbols(np.stack([self.tokens[row] for row in rows]))


class EndlessExamples:
    """The examples of endless training, which are drawn when they are read."""

    def __init__(self, corpus: Synthetic) -> None:
        self.corpus = corpus

    def read(self, rows: list[int]) -> Symbols:
        """See `Examples`."""
        return np.stack([_chunk(self.corpus, row // CHUNK)[row % CHUNK] for row in rows])


@lru_cache(maxsize=2)
def _chunk(corpus: Synthetic, number: int) -> Symbols:
    """Return a chunk of examples. Neighbouring batches read the same one; a batch may cover the ends of two."""
    return corpus.chunk(number)
