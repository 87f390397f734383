"""The LightningDataModule of translation: a parallel corpus as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from regard.data.batching import Batch, Indices, StepBatches, StreamState, cut_batches, pad
from regard.data.corpus import PAIR, Corpus, Split
from regard.data.filters import Filter
from regard.data.prepare import Prepared, prepare
from regard.data.progress import Progress
from regard.data.store import TokenFile
from regard.data.tokenizer import BOS, EOS, TokenizerSettings
from regard.errors import RegardError, UsageError


class TranslationData(pl.LightningDataModule):
    """Batches of a parallel corpus.

    corpus: the text; tokenizer: how it becomes tokens; cache: folder for prepared corpora
    tokens_per_batch: of a training micro-batch, padded, on its longer side
    evaluation_tokens_per_batch: the same in validation and test
    max_length: pairs with a side of more tokens, end included, are left out of training, and cut to
        it in validation and test
    seed: of the order of the batches
    workers: processes that read batches ahead; 0 reads in the training process
    filters: what training pairs have to pass, by name, in this order
    preparation_workers: processes that prepare a large corpus; None for as many as there are processors

    Raises UsageError if the corpus is not one of pairs.
    """

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
        filters: Mapping[str, Filter] | None = None,
        preparation_workers: int | None = None,
    ) -> None:
        super().__init__()
        if corpus.columns != PAIR:
            raise UsageError(
                f"data: translation needs pairs, but this corpus has only {', '.join(corpus.columns)}; "
                "choose another, or task=language"
            )
        self.corpus, self.tokenizer, self.cache = corpus, tokenizer, Path(cache)
        self.tokens_per_batch = tokens_per_batch
        self.evaluation_tokens_per_batch = evaluation_tokens_per_batch
        self.max_length, self.seed, self.workers = max_length, seed, workers
        self.filters, self.preparation_workers = filters, preparation_workers
        self.say: Callable[[str], None] = print
        self.progress: Progress | None = None  # None to say it now and then
        self._prepared: Prepared | None = None
        self._stream: StepBatches | None = None
        self._resume_from: StreamState | None = None

    @property
    def prepared(self) -> Prepared:
        """The prepared corpus; made on first use, by one process."""
        if self._prepared is None:
            self._prepared = prepare(
                self.corpus,
                self.tokenizer,
                self.cache,
                self.say,
                self.filters,
                self.preparation_workers,
                self.progress,
            )
        return self._prepared

    def texts(self, split: Split) -> tuple[list[str], list[str]]:
        """Source and target lines of validation or test."""
        source, target = self.prepared.texts(split)
        return source, target

    def train_dataloader(self) -> DataLoader[Batch]:
        """The endless stream of training batches.

        Raises RegardError if no pair is short enough.
        """
        if self.trainer is None:
            raise TypeError("batches are dealt to the processes of a Trainer")
        pairs = Pairs(self.prepared, "train", self.max_length)
        short = self._short(pairs, "train", "left out")
        if not len(short):
            raise RegardError(
                f"no training pair has at most model.max_length={self.max_length} tokens on both sides; "
                "raise it, or give shorter lines"
            )
        self._stream = StepBatches(
            short,
            pairs.source_lengths,
            pairs.target_lengths,
            self.tokens_per_batch,
            self.seed,
            self.trainer.accumulate_grad_batches,
            self.trainer.global_rank,
            self.trainer.world_size,
        )
        if self._resume_from is not None:
            self._stream.resume(self._resume_from)
        return self._loader(pairs, self._stream)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation part, in batches of like length."""
        return self._evaluation("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test part, in batches of like length."""
        return self._evaluation("test")

    def state_dict(self) -> dict[str, Any]:
        """Where training stands in the stream of batches; part of a checkpoint."""
        if self.trainer is None or self._stream is None:
            return {}
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current.state_dict()
        return self._stream.state_at(progress["processed"])._asdict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self._resume_from = StreamState(**state_dict)

    def _evaluation(self, split: Split) -> DataLoader[Batch]:
        pairs = Pairs(self.prepared, split, self.max_length)
        self._short(pairs, split, f"cut to {self.max_length}")
        source, target = (np.minimum(of, self.max_length) for of in (pairs.source_lengths, pairs.target_lengths))
        order = np.lexsort((target, source))
        batches = cut_batches(order, np.maximum(source, target), self.evaluation_tokens_per_batch)
        rank, world_size = 0, 1
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
        # A process without a batch would skip the evaluation that the others wait in.
        if len(batches) < world_size:
            batches = np.split(order, range(1, len(order)))
        if len(batches) < world_size:
            raise RegardError(
                f"data.{split} has {len(order)} pairs for {world_size} processes; "
                "give at least one for each, or use fewer trainer.devices"
            )
        items = [(batch.tolist(), int(target[batch].sum())) for batch in batches]
        return self._loader(pairs, items[rank::world_size])

    def _short(self, pairs: Pairs, split: Split, fate: str) -> Indices:
        """The pairs within ``max_length``; says how many there are beside them, and what becomes of those."""
        short = pairs.short()
        if len(short) < len(pairs):
            self.say(
                f"{len(pairs) - len(short):,} of {len(pairs):,} {split} pairs have a side of more than "
                f"{self.max_length} tokens (model.max_length) and are {fate}"
            )
        return short

    def _loader(self, pairs: Pairs, items: Iterable[tuple[list[int], int]]) -> DataLoader[Batch]:
        # A generator of its own: a new iterator draws from it, and must not disturb the model's.
        generator = torch.Generator().manual_seed(self.seed)
        return DataLoader(pairs, sampler=items, batch_size=None, num_workers=self.workers, generator=generator)


class Pairs(Dataset[Batch]):
    """One split as batches on demand; an index is (sentences, step_tokens). Longer sides are cut."""

    def __init__(self, prepared: Prepared, split: Split, max_length: int) -> None:
        self.source, self.target = prepared.tokens(split)
        self.max_length = max_length
        self.source_lengths, self.target_lengths = (
            np.asarray(tokens.lengths, dtype=np.int32) + 1 for tokens in (self.source, self.target)
        )

    def __len__(self) -> int:
        return len(self.target)

    def short(self) -> Indices:
        """The pairs with at most ``max_length`` tokens on either side, ends included."""
        return np.flatnonzero(np.maximum(self.source_lengths, self.target_lengths) <= self.max_length)

    def __getitem__(self, item: tuple[list[int], int]) -> Batch:
        sentences, step_tokens = item
        targets = [self._ids(self.target, i) for i in sentences]
        return Batch(
            prefix=pad([[BOS, *ids] for ids in targets]),
            target=pad([[*ids, EOS] for ids in targets]),
            source=pad([[*self._ids(self.source, i), EOS] for i in sentences]),
            step_tokens=step_tokens,
            sentences=sentences,
        )

    def _ids(self, tokens: TokenFile, number: int) -> list[int]:
        ids: list[int] = tokens[number][: self.max_length - 1].tolist()
        return ids
