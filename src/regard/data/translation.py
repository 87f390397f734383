"""The LightningDataModule of translation: batches of sentence pairs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping

import numpy as np
from torch.utils.data import Dataset

from regard.data.batching import Batch, Indices, Item, Lengths, Plan, PlannedBatch, cut_batches, pad
from regard.data.corpora.corpus import PAIR, Corpus, Split
from regard.data.corpora.filters import Filter
from regard.data.datamodule import NO_LIMITS, CorpusData, Limits
from regard.data.prepare.prepare import Prepared
from regard.data.prepare.progress import Progress
from regard.data.prepare.store import TokenFile
from regard.data.shuffle import Shuffle, fixed_sample
from regard.data.teacher_forcing import forced_batch
from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.errors import RegardError

COUNTED_AT_ONCE = 1 << 16
"""Number of pairs whose lengths are read at once to count those that are too long."""

BATCHES_PER_GROUP = 4
"""With more, there is less padding of sources and more of targets."""


class TranslationData(CorpusData):
    """Batches of sentence pairs of similar length. See `CorpusData` for the other arguments.

    tokens_per_batch: tokens of a training micro-batch, including padding, on its longer side
    evaluation_tokens_per_batch: the same in validation and test
    max_length: pairs with a side of more tokens, including </s>, are dropped from training, and truncated in
        validation and test
    sampling_alpha: sample the segmentation of a training sentence every time it is used. For BPE, the share of dropped
        merges (Provilkov et al. 2020); for unigram, the smoothing (Kudo 2018). None for the best segmentation.
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
        tokenizers: Tokenizers | None = None,
        limits: Limits = NO_LIMITS,
        say: Callable[[str], None] = print,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(
            corpus, tokenizer, cache, seed, workers, filters, preparation_workers, tokenizers, limits, say, progress
        )
        self.tokens_per_batch = tokens_per_batch
        self.evaluation_tokens_per_batch = evaluation_tokens_per_batch
        self.max_length, self.sampling_alpha = max_length, sampling_alpha

    def training(self) -> tuple[Dataset[Batch], Plan]:
        """Return the pairs within ``max_length``, in batches that are shuffled in every epoch.

        Raises RegardError if there are none.
        """
        if not self._count_short("train", "dropped"):
            raise RegardError(
                f"no training pair has at most model.max_length={self.max_length} tokens on both sides; "
                "raise it, or give shorter lines"
            )
        pairs = Pairs(self.prepared, "train", self.max_length, self.sampling_alpha, self.seed)
        return pairs, PairPlan(pairs.source, pairs.target, self.max_length, self.tokens_per_batch, self.seed)

    def evaluation(self, split: Split, limit: int | float | None = None) -> tuple[Dataset[Batch], list[Item]]:
        """Return all pairs, in batches of similar length. With a ``limit``, the pairs are a random sample."""
        self._count_short(split, f"truncated to {self.max_length}")
        pairs = Pairs(self.prepared, split, self.max_length)
        source, target = (np.minimum(tokens.lengths + 1, self.max_length) for tokens in (pairs.source, pairs.target))
        longer = np.maximum(source, target)

        def batches(rows: Indices) -> list[Indices]:
            order = rows[np.lexsort((target[rows], source[rows]))]
            return cut_batches(order, longer, self.evaluation_tokens_per_batch)

        rows = np.arange(len(pairs))
        if limit is not None:
            if isinstance(limit, int):  # a larger sample does not have fewer batches
                sizes = range(1, min(len(pairs), limit * self.evaluation_tokens_per_batch) + 1)
                size = bisect_right(sizes, limit, key=lambda size: len(batches(fixed_sample(len(pairs), size))))
            else:
                size = max(1, int(limit * len(pairs)))
            rows = fixed_sample(len(pairs), size)
            self.report_sample(split, len(rows), len(pairs), "pairs")
        return pairs, [Item(batch.tolist(), int(target[batch].sum()), -1) for batch in batches(rows)]

    def _count_short(self, split: Split, fate: str) -> int:
        """Return the number of pairs within ``max_length``. Report how many are longer, and their ``fate``."""
        source, target = self.prepared.tokens(split)
        columns = self.prepared.report[split]["columns"]
        if max(columns[name]["longest"] for name in self.columns) < self.max_length:
            return len(source)
        short = 0
        for begin in range(0, len(source), COUNTED_AT_ONCE):
            rows = np.arange(begin, min(begin + COUNTED_AT_ONCE, len(source)))
            short += int((np.maximum(source.lengths_of(rows), target.lengths_of(rows)) < self.max_length).sum())
        if short < len(source):
            self.say(
                f"{len(source) - short:,} of {len(source):,} {split} pairs have a side of more than "
                f"{self.max_length} tokens (model.max_length) and are {fate}"
            )
        return short


def order_by_lengths(source: Indices | Lengths, target: Indices | Lengths, tokens_per_batch: int) -> Indices:
    """Return the order of pairs in which consecutive batches have little padding on both sides.

    Neighbouring target lengths form groups of about `BATCHES_PER_GROUP` batches. Each group is sorted by source length,
    alternately upwards and downwards, so that a batch across two groups has similar sources too.
    """
    tokens = np.bincount(target) * np.arange(target.max(initial=0) + 1)  # for each target length
    group = ((tokens.cumsum() - tokens) // (BATCHES_PER_GROUP * tokens_per_batch))[target]
    _, group = np.unique(group, return_inverse=True)
    return np.lexsort((target, np.where(group % 2, -source, source), group))


class PairPlan:
    """The batches of every epoch: pairs of similar length, within a budget of padded tokens on each side.

    The pairs of a pool are sorted by `order_by_lengths` and split into batches, and the batches are shuffled. Pairs
    with a side of more than ``max_length`` tokens, including </s>, are dropped. Holds no lengths: those of a pool are
    read from the memory map when it is planned.
    """

    def __init__(self, source: TokenFile, target: TokenFile, max_length: int, tokens_per_batch: int, seed: int) -> None:
        self.source, self.target = source, target
        self.max_length, self.tokens_per_batch = max_length, tokens_per_batch
        self.shuffle = Shuffle(len(target), seed)

    def pools(self, epoch: int) -> int:
        """See `Plan`."""
        return self.shuffle.pools

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """See `Plan`."""
        pairs, random = self.shuffle.pool(epoch, number)
        source, target = (tokens.lengths_of(pairs) + 1 for tokens in (self.source, self.target))
        longer = np.maximum(source, target)
        order = order_by_lengths(source, target, self.tokens_per_batch)
        batches = cut_batches(order[longer[order] <= self.max_length], longer, self.tokens_per_batch)
        return [
            PlannedBatch(pairs[batches[place]], int(target[batches[place]].sum()))
            for place in random.permutation(len(batches)).tolist()
        ]


class Pairs(Dataset[Batch]):
    """Batches of the pairs of one split, each described by an `Item`. Sides above ``max_length`` are truncated.

    With ``sampling_alpha``, the segmentation of the batch at position n of the stream is a function of (seed, n).
    """

    def __init__(
        self, prepared: Prepared, split: Split, max_length: int, sampling_alpha: float | None = None, seed: int = 0
    ) -> None:
        self.source, self.target = prepared.tokens(split)
        self.tokenizers = prepared.source_tokenizer, prepared.target_tokenizer
        self.max_length, self.sampling_alpha, self.seed = max_length, sampling_alpha, seed

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, item: Item) -> Batch:
        targets = self._pieces(self.target, self.tokenizers[1], item.rows, 2 * item.position)
        sources = self._pieces(self.source, self.tokenizers[0], item.rows, 2 * item.position + 1)
        return forced_batch(pad(sources), targets, item.rows, item.step_tokens)

    def _pieces(self, tokens: TokenFile, tokenizer: Tokenizer, rows: list[int], draw: int) -> list[list[int]]:
        ids = [tokens[row].tolist() for row in rows]
        if self.sampling_alpha is not None:
            ids = tokenizer.sample(ids, self.sampling_alpha, self.seed << 48 | draw)
        return [[*row[: self.max_length - 1], EOS] for row in ids]
