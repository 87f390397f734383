"""What every task's data has in common: a prepared corpus, dealt as batches to the processes of a Trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from regard.data.batching import Batch, Indices, Item, StepBatches, StreamState
from regard.data.corpus import Corpus, Record, Split
from regard.data.filters import Filter
from regard.data.prepare import Prepared, prepare
from regard.data.progress import Progress
from regard.data.tokenizer import Tokenizers, TokenizerSettings
from regard.errors import RegardError, UsageError
from regard.stop import leave_signals_to_the_parent


class TextData(pl.LightningDataModule, ABC):
    """Batches of a prepared corpus; a task says which.

    corpus: the text; tokenizer: how it becomes tokens; cache: folder for prepared corpora
    seed: of the order of the batches
    workers: processes that read batches ahead; 0 reads in the training process
    filters: what training records have to pass, by name, in this order
    preparation_workers: processes that prepare a large corpus; None for as many as there are processors

    Raises UsageError if the corpus has not the columns that the task needs.
    """

    columns: tuple[str, ...]
    """What the task reads."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TokenizerSettings,
        cache: str,
        seed: int,
        workers: int,
        filters: Mapping[str, Filter] | None,
        preparation_workers: int | None,
    ) -> None:
        super().__init__()
        if corpus.columns != self.columns:
            raise UsageError(
                f"data has the columns {', '.join(corpus.columns)}, this task reads {', '.join(self.columns)}; "
                "choose another data= or another task="
            )
        self.corpus, self.tokenizer, self.cache = corpus, tokenizer, Path(cache)
        self.seed, self.workers = seed, workers
        self.filters, self.preparation_workers = filters, preparation_workers
        self.say: Callable[[str], None] = print
        self.progress: Progress | None = None  # None to say it now and then
        self._given: Tokenizers | None = None
        self._prepared: Prepared | None = None
        self._stream: StepBatches | None = None
        self._resume_from: StreamState | None = None

    def use_vocabulary_of(self, tokenizers: Tokenizers) -> None:
        """Cut the text with the vocabularies of an existing model, and learn none."""
        self._given, self._prepared = tokenizers, None

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
                self._given,
            )
        return self._prepared

    def texts(self, split: Split) -> tuple[list[str], ...]:
        """The texts of validation or test, a list a column."""
        return self.prepared.texts(split)

    def records(self, split: Split) -> Iterator[Record]:
        """The same, record by record, without holding them."""
        return self.prepared.records(split)

    def size(self, split: Split) -> tuple[int, int]:
        """Of a split's last column, which is what the model writes: tokens, ends included, and bytes in UTF-8."""
        part = self.prepared.report[split]
        column = part["columns"][self.columns[-1]]
        return column["tokens"] + part["records"], column["bytes"]

    @abstractmethod
    def training(self) -> tuple[Dataset[Batch], Callable[[int], Iterator[Indices]], Callable[[Indices, int], int]]:
        """The training part, the plan of an epoch, and the target tokens of a batch (see `StepBatches`)."""

    @abstractmethod
    def evaluation(self, split: Split) -> tuple[Dataset[Batch], list[Item]]:
        """Validation or test, and its batches."""

    def train_dataloader(self) -> DataLoader[Batch]:
        """The endless stream of training batches."""
        if self.trainer is None:
            raise TypeError("batches are dealt to the processes of a Trainer")
        dataset, plan, count = self.training()
        accumulated = self.trainer.accumulate_grad_batches
        self._stream = StepBatches(plan, count, accumulated, self.trainer.global_rank, self.trainer.world_size)
        if self._resume_from is not None:
            self._stream.resume(self._resume_from)
        return self._loader(dataset, self._stream)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation part."""
        return self._evaluation("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test part."""
        return self._evaluation("test")

    def state_dict(self) -> dict[str, Any]:
        """Where training stands in the stream of batches, and which text it is of; part of a checkpoint."""
        if self.trainer is None or self._stream is None:
            return {}
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current.state_dict()
        return self._stream.state_at(progress["processed"])._asdict() | {"text": self.prepared.digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from ``state_dict``.

        Raises RegardError if it is of another text: its position would mean other batches.
        """
        position = dict(state_dict)
        text = position.pop("text", None)  # None: written before it was noted
        if text is not None and text != self.prepared.digest:
            raise RegardError(
                "the training or validation text has changed since this run's checkpoint was saved; restore it, or "
                "start a new run on the new text with init_from=RUN, which keeps the weights and the vocabulary"
            )
        self._resume_from = StreamState(**position)

    def _evaluation(self, split: Split) -> DataLoader[Batch]:
        dataset, items = self.evaluation(split)
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        # A process without a batch would skip the evaluation that the others wait in.
        if len(items) < world_size:
            items = [Item([row], item.step_tokens, -1) for item in items for row in item.rows]
        if len(items) < world_size:
            raise RegardError(
                f"the {split} part is too small for {world_size} processes ({len(items)} rows); "
                "give at least one for each, or use fewer trainer.devices"
            )
        return self._loader(dataset, items[rank::world_size])

    def _loader(self, dataset: Dataset[Batch], items: Iterable[Item]) -> DataLoader[Batch]:
        # A generator of its own: a new iterator draws from it, and must not disturb the model's.
        generator = torch.Generator().manual_seed(self.seed)
        return DataLoader(
            dataset,
            sampler=items,
            batch_size=None,
            num_workers=self.workers,
            generator=generator,
            worker_init_fn=leave_signals_to_the_parent,
        )
