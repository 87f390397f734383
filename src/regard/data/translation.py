"""The LightningDataModule of translation: pairs of sentences as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from torch.utils.data import Dataset

from regard.data.batching import Batch, Indices, Item, cut_batches, pad, plan_epoch
from regard.data.corpus import PAIR, Corpus, Split
from regard.data.filters import Filter
from regard.data.module import TextData
from regard.data.prepare import Prepared
from regard.data.store import TokenFile
from regard.data.tokenizer import BOS, EOS, Tokenizer, TokenizerSettings
from regard.errors import RegardError


class TranslationData(TextData):
    """Batches of sentence pairs of like length; the arguments that are not here are those of `TextData`.

    tokens_per_batch: of a training micro-batch, padded, on its longer side
    evaluation_tokens_per_batch: the same in validation and test
    max_length: pairs with a side of more tokens, end included, are left out of training, and cut to
        it in validation and test
    sampling_alpha: cut training text into pieces at random, anew every time it is seen: of BPE the share of
        merges left out (Provilkov et al. 2020), of unigram the smoothing (Kudo 2018). None for the best way always.
    """

    columns = PAIR

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TokenizerSettings,
        cache: str,
        tokens_per_batch: int,
        evaluation_tokens_per_batch: int,
        max_length: int,
        seed: int,
        workers: int = 0,
        sampling_alpha: float | None = None,
        filters: Mapping[str, Filter] | None = None,
        preparation_workers: int | None = None,
    ) -> None:
        super().__init__(corpus, tokenizer, cache, seed, workers, filters, preparation_workers)
        self.tokens_per_batch = tokens_per_batch
        self.evaluation_tokens_per_batch = evaluation_tokens_per_batch
        self.max_length, self.sampling_alpha = max_length, sampling_alpha

    def training(self) -> tuple[Dataset[Batch], Callable[[int], Iterator[Indices]], Callable[[Indices, int], int]]:
        """The pairs that are short enough, in batches shuffled anew every epoch.

        Raises RegardError if there is none.
        """
        pairs = Pairs(self.prepared, "train", self.max_length, self.sampling_alpha, self.seed)
        short = self._short(pairs, "train", "left out")
        if not len(short):
            raise RegardError(
                f"no training pair has at most model.max_length={self.max_length} tokens on both sides; "
                "raise it, or give shorter lines"
            )
        lengths = pairs.source_lengths, pairs.target_lengths
        plan = partial(plan_epoch, short, *lengths, self.tokens_per_batch, self.seed)
        return pairs, plan, pairs.count_targets

    def evaluation(self, split: Split) -> tuple[Dataset[Batch], list[Item]]:
        """All pairs, in batches of like length."""
        pairs = Pairs(self.prepared, split, self.max_length)
        self._short(pairs, split, f"cut to {self.max_length}")
        source, target = (np.minimum(of, self.max_length) for of in (pairs.source_lengths, pairs.target_lengths))
        order = np.lexsort((target, source))
        batches = cut_batches(order, np.maximum(source, target), self.evaluation_tokens_per_batch)
        return pairs, [Item(rows.tolist(), int(target[rows].sum()), -1) for rows in batches]

    def _short(self, pairs: Pairs, split: Split, fate: str) -> Indices:
        """The pairs within ``max_length``; says how many there are beside them, and what becomes of those."""
        short = pairs.short()
        if len(short) < len(pairs):
            self.say(
                f"{len(pairs) - len(short):,} of {len(pairs):,} {split} pairs have a side of more than "
                f"{self.max_length} tokens (model.max_length) and are {fate}"
            )
        return short


class Pairs(Dataset[Batch]):
    """One split as batches on demand, each named by an `Item`. Longer sides are cut.

    With ``sampling_alpha``, a batch at place n of the stream is cut into pieces as (seed, n) has it.
    """

    def __init__(
        self, prepared: Prepared, split: Split, max_length: int, sampling_alpha: float | None = None, seed: int = 0
    ) -> None:
        self.source, self.target = prepared.tokens(split)
        self.tokenizers = prepared.source_tokenizer, prepared.target_tokenizer
        self.max_length, self.sampling_alpha, self.seed = max_length, sampling_alpha, seed
        self.source_lengths, self.target_lengths = (
            np.asarray(tokens.lengths, dtype=np.int32) + 1 for tokens in (self.source, self.target)
        )

    def __len__(self) -> int:
        return len(self.target)

    def short(self) -> Indices:
        """The pairs with at most ``max_length`` tokens on either side, ends included."""
        return np.flatnonzero(np.maximum(self.source_lengths, self.target_lengths) <= self.max_length)

    def count_targets(self, rows: Indices, position: int) -> int:
        """Target tokens of the batch of these rows at this place of the stream, ends included."""
        if self.sampling_alpha is None:
            return int(self.target_lengths[rows].sum())
        return sum(len(ids) + 1 for ids in self._targets(rows.tolist(), position))

    def __getitem__(self, item: Item) -> Batch:
        targets = self._targets(item.rows, item.position)
        sources = self._pieces(self.source, self.tokenizers[0], item.rows, 2 * item.position + 1)
        return Batch(
            prefix=pad([[BOS, *ids] for ids in targets]),
            target=pad([[*ids, EOS] for ids in targets]),
            source=pad([[*ids, EOS] for ids in sources]),
            documents=None,
            step_tokens=item.step_tokens,
            rows=item.rows,
        )

    def _targets(self, rows: list[int], position: int) -> list[list[int]]:
        return self._pieces(self.target, self.tokenizers[1], rows, 2 * position)

    def _pieces(self, tokens: TokenFile, tokenizer: Tokenizer, rows: list[int], draw: int) -> list[list[int]]:
        ids = [tokens[row].tolist() for row in rows]
        if self.sampling_alpha is not None:
            ids = tokenizer.sample(ids, self.sampling_alpha, self.seed << 48 | draw)
        return [row[: self.max_length - 1] for row in ids]
