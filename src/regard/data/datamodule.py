"""Base class of the data modules: batches of a prepared corpus for the processes of a Trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from regard.data.batching import Batch, Item, Plan, StepBatches, StreamState
from regard.data.corpora.corpus import Corpus, Record, Split
from regard.data.corpora.filters import Filter
from regard.data.counted_steps import CountedSteps
from regard.data.example_text import example_text
from regard.data.prepare.images import ImageSettings
from regard.data.prepare.prepare import Prepared, prepare
from regard.data.prepare.progress import Progress
from regard.data.tokenizer.tokenizer import Tokenizers, TokenizerSettings
from regard.errors import RegardError, UsageError
from regard.stop import ignore_signals


class Limits(NamedTuple):
    """How much of each part is used; None for all of it.

    train: number of batches per process, which are then repeated
    validation, test: number of batches of all processes together, or a share of the part. The rows are a random sample,
        always the same.
    """

    train: int | None = None
    validation: int | float | None = None
    test: int | float | None = None


NO_LIMITS = Limits()


class CorpusData(pl.LightningDataModule, ABC):
    """Batches of a prepared corpus. Each task has a subclass.

    corpus: the text
    tokenizer: settings of the vocabularies to learn
    cache: folder of prepared corpora
    seed: seed of the order of the batches
    workers: number of processes that load batches ahead; 0 to load them in the training process
    filters: filters of training records by name, applied in this order
    preparation_workers: number of processes that prepare a large corpus; None for the number of available processors
    tokenizers: the vocabularies of an existing model, with which the text is tokenized; None to learn them
    limits: how much of each part is used
    say: called with each message for the user
    progress: called during the preparation of the corpus; None to report it to ``say``

    Raises UsageError if the corpus does not have the columns that the task reads.
    """

    columns: tuple[str, ...]
    """The columns that the task reads."""

    images: ImageSettings | None = None
    """How the images of the corpus are prepared, if it has any."""

    sampling_alpha: float | None = None
    """If set, the number of target tokens of a batch is known only after it has been loaded."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TokenizerSettings,
        cache: str,
        seed: int,
        workers: int,
        filters: Mapping[str, Filter] | None,
        preparation_workers: int | None,
        tokenizers: Tokenizers | None,
        limits: Limits,
        say: Callable[[str], None],
        progress: Progress | None,
    ) -> None:
        super().__init__()
        self.require_columns(corpus)
        self.corpus, self.tokenizer, self.cache = corpus, tokenizer, Path(cache)
        self.seed, self.workers = seed, workers
        self.filters, self.preparation_workers = filters, preparation_workers
        self.tokenizers, self.limits, self.say, self.progress = tokenizers, limits, say, progress
        self._prepared: Prepared | None = None
        self._stream: StepBatches | None = None
        self._resume_from: StreamState | None = None

    @classmethod
    def require_columns(cls, corpus: Corpus) -> None:
        """Raise UsageError if the corpus does not have the columns that the task reads."""
        if corpus.columns != cls.columns:
            raise UsageError(
                f"data has the columns {', '.join(corpus.columns)}, this task reads {', '.join(cls.columns)}; "
                "choose another data= or another task="
            )

    @property
    def prepared(self) -> Prepared:
        """The prepared corpus. The first access prepares it, in one process."""
        if self._prepared is None:
            self._prepared = prepare(
                self.corpus,
                self.tokenizer,
                self.cache,
                self.say,
                self.filters,
                self.preparation_workers,
                self.progress,
                self.tokenizers,
                self.images,
            )
        return self._prepared

    def texts(self, split: Split) -> tuple[list[str], ...]:
        """Return the texts of validation or test, one list per column."""
        return self.prepared.texts(split)

    def records(self, split: Split) -> Iterator[Record]:
        """Stream the records of validation or test."""
        return self.prepared.records(split)

    def inputs(self, values: Sequence[str]) -> list[Any]:
        """Return the inputs of a generator that these values of the first column stand for: here, the texts."""
        return list(values)

    def example(self, folder: Path) -> str:
        """Return an example input for the command line, or an empty string. A file is written to ``folder``.

        Here, the first words of the first text that is not blank.
        """
        return example_text(record[0] for record in self.records("validation"))

    def size(self, split: Split) -> tuple[int, int]:
        """Return the number of tokens (including </s>) and of UTF-8 bytes of a split's last column, the target."""
        part = self.prepared.report[split]
        column = part["columns"][self.columns[-1]]
        return column["tokens"] + part["records"], column["bytes"]

    @abstractmethod
    def training(self) -> tuple[Dataset[Batch], Plan]:
        """Return the training part, and the plan of its batches."""

    @abstractmethod
    def evaluation(self, split: Split, limit: int | float | None = None) -> tuple[Dataset[Batch], list[Item]]:
        """Return validation or test, and its batches.

        ``limit`` is a maximum number of batches (an int) or a share of the rows (a float). The rows are then a random
        sample that depends on the part only.
        """

    def train_dataloader(self) -> Iterable[Batch]:
        """Return the endless stream of training batches."""
        if self.trainer is None:
            raise TypeError("training batches need a Trainer, which has the number of processes")
        dataset, plan = self.training()
        accumulated, world_size = self.trainer.accumulate_grad_batches, self.trainer.world_size
        self._stream = StepBatches(plan, accumulated, self.trainer.global_rank, world_size, self.limits.train)
        if self._resume_from is not None:
            self._stream.resume(self._resume_from)
        loader = self._loader(dataset, self._stream)
        return loader if self.sampling_alpha is None else CountedSteps(loader, accumulated, world_size)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return a loader of the validation part."""
        return self._evaluation("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return a loader of the test part."""
        return self._evaluation("test")

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream of training batches and the digest of the text, for a checkpoint."""
        if self.trainer is None or self._stream is None:
            return {}
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current.state_dict()
        return self._stream.state_at(progress["processed"])._asdict() | {"text": self.prepared.digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the stream of training batches from ``state_dict``.

        The state of an older version, which planned other batches, continues with a new epoch, with a message. Raises
        RegardError if the state belongs to another text, where its position has other batches.
        """
        position = dict(state_dict)
        text = position.pop("text", None)  # None: written by a version without digests
        if text is not None and text != self.prepared.digest:
            raise RegardError(
                "the training or validation text has changed since this run's checkpoint was saved; restore it, or "
                "start a new run on the new text with init_from=RUN, which keeps the weights and the vocabulary"
            )
        if position.keys() == set(StreamState._fields):
            self._resume_from = StreamState(**position)
        elif position:
            self.say(
                "the checkpoint is from an older version of regard with another order of the batches: "
                "training continues with a new epoch, so its losses differ from those of a run that never stopped"
            )
            taken, place, epoch = (position.get(name, 0) for name in ("taken", "position", "epoch"))
            self._resume_from = StreamState(taken, place, epoch + 1, pool=0, batch=0)

    def report_sample(self, split: Split, size: int, of: int, rows: str) -> None:
        """Report that an evaluation of ``split`` reads a sample."""
        limit = {"validation": "limit_val_batches", "test": "limit_test_batches"}[split]
        self.say(f"{split}: a random sample of {size:,} of {of:,} {rows} (trainer.{limit})")

    def _evaluation(self, split: Split) -> DataLoader[Batch]:
        dataset, items = self.evaluation(split, getattr(self.limits, split))
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        # A process without a batch would skip the evaluation, in which the others wait for it.
        if len(items) < world_size:
            items = [Item([row], item.step_tokens, -1) for item in items for row in item.rows]
        if len(items) < world_size:
            raise RegardError(
                f"the {split} part is too small for {world_size} processes ({len(items)} rows); "
                "give at least one row per process, or use fewer trainer.devices"
            )
        return self._loader(dataset, items[rank::world_size])

    def _loader(self, dataset: Dataset[Batch], items: Iterable[Item]) -> DataLoader[Batch]:
        # A separate generator: each new iterator draws from it, and must not change the global random state.
        generator = torch.Generator().manual_seed(self.seed)
        return DataLoader(
            dataset,
            sampler=items,
            batch_size=None,
            num_workers=self.workers,
            generator=generator,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            worker_init_fn=ignore_signals,
        )
