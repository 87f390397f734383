"""The LightningDataModule of generated sequences: only their answers are targets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from regard.data.batching import Batch, Item, Plan, PlannedBatch
from regard.data.corpora.corpus import Corpus, Split
from regard.data.corpora.filters import Filter
from regard.data.corpora.synthetic.synthetic import Symbols, Synthetic
from regard.data.datamodule import NO_LIMITS, CorpusData, Limits
from regard.data.examples import EndlessExamples, Examples, StoredExamples, SymbolIds
from regard.data.prepare.progress import Progress
from regard.data.shuffle import Shuffle, fixed_sample
from regard.data.tokenizer.specials import BOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import UsageError

BATCHES_PER_POOL = 256
"""Batches of endless training that are planned at once."""

EXAMPLES_PER_RUN = 1 << 30
"""Runs with different seeds read different examples, as long as they read no more than this number."""


class AnswerData(CorpusData):
    """Batches of generated sequences. The target is ``<pad>``, which is ignored, wherever there is no answer.

    See `CorpusData` for the other arguments.

    examples_per_batch: examples of a training micro-batch
    evaluation_examples_per_batch: the same in validation and test
    max_length: the context of the model. An example with ``<s>`` must fit into it.
    """

    columns = Synthetic.columns

    def __init__(
        self,
        corpus: Synthetic,
        tokenizer: TokenizerSettings,
        cache: str,
        examples_per_batch: int,
        evaluation_examples_per_batch: int,
        max_length: int,
        seed: int,
        workers: int = 0,
        filters: Mapping[str, Filter] | None = None,
        preparation_workers: int | None = None,
        tokenizers: Tokenizers | None = None,
        limits: Limits = NO_LIMITS,
        say: Callable[[str], None] = print,
        progress: Progress | None = None,
    ) -> None:
        if tokenizer.kind != "char":
            raise UsageError(f"tokenizer.kind={tokenizer.kind}: expected char: each symbol of this data is one token")
        if filters and corpus.size is None:
            raise UsageError("batches.filters: endless training cannot be filtered; give filters=none or data.size")
        if corpus.text_length >= max_length:
            raise UsageError(
                f"model.max_length={max_length}: an example has {corpus.text_length} symbols; give at least "
                f"{corpus.text_length + 1}, or lower data.length"
            )
        if tokenizers is None:  # of the whole alphabet: a small training part may lack some symbols
            learned = train_tokenizer([corpus.alphabet], tokenizer)
            tokenizers = Tokenizers(learned, learned)
        super().__init__(
            corpus, tokenizer, cache, seed, workers, filters, preparation_workers, tokenizers, limits, say, progress
        )
        self.generated = corpus
        self.vocabulary = SymbolIds(corpus.alphabet, tokenizers.target)
        self.examples_per_batch, self.evaluation_examples_per_batch = examples_per_batch, evaluation_examples_per_batch

    @classmethod
    def require_columns(cls, corpus: Corpus) -> None:
        """Raise UsageError if the corpus does not generate sequences with answers."""
        if not isinstance(corpus, Synthetic):
            raise UsageError(
                "batches: this data module needs a corpus that marks answers; choose data=recall or another"
            )

    def training(self) -> tuple[Dataset[Batch], Plan]:
        """Return the training part: examples that are shuffled in every epoch, or an endless stream of new ones."""
        plan: Plan
        if self.generated.size is None:
            examples = Answers(EndlessExamples(self.generated), self.generated, self.vocabulary)
            plan = EndlessPlan(self.examples_per_batch, self.generated.num_answers, self.seed)
            return examples, plan
        stored = self._stored("train")
        plan = ExamplePlan(len(stored), self.examples_per_batch, self.generated.num_answers, self.seed)
        return Answers(stored, self.generated, self.vocabulary), plan

    def evaluation(self, split: Split, limit: int | float | None = None) -> tuple[Dataset[Batch], list[Item]]:
        """Return all examples in order. With a ``limit``, the examples are a random sample."""
        stored, together = self._stored(split), self.evaluation_examples_per_batch
        rows = np.arange(len(stored))
        if limit is not None:
            size = limit * together if isinstance(limit, int) else max(1, int(limit * len(stored)))
            rows = fixed_sample(len(stored), size)
            self.report_sample(split, len(rows), len(stored), "examples")
        batches = [rows[first : first + together] for first in range(0, len(rows), together)]
        items = [Item(batch.tolist(), len(batch) * self.generated.num_answers, -1) for batch in batches]
        return Answers(stored, self.generated, self.vocabulary), items

    def example(self, folder: Path) -> str:
        """Return the first validation example up to its last answer, which a model can be asked for."""
        (text,) = next(self.records("validation"))
        return self.question(text)[: self.answer_places(text)[-1]]

    def question(self, text: str) -> str:
        """Return what a model reads of the text of an example."""
        (row,) = self.generated.questions(self._symbols(text)).tolist()
        return "".join(self.generated.alphabet[symbol] for symbol in row)

    def answer_places(self, text: str) -> list[int]:
        """Return the indices of the answers in the text of an example."""
        return self.generated.answers(self._symbols(text))[0].nonzero()[0].tolist()

    def batch(self, split: Split, rows: list[int]) -> Batch:
        """Return these examples of validation or test as one batch."""
        examples = Answers(self._stored(split), self.generated, self.vocabulary)
        return examples[Item(rows, len(rows) * self.generated.num_answers, -1)]

    def _symbols(self, text: str) -> Symbols:
        return np.array([[self.generated.alphabet.index(character) for character in text]])

    def _stored(self, split: Split) -> StoredExamples:
        return StoredExamples(self.prepared.tokens(split)[0], self.vocabulary)


class Answers(Dataset[Batch]):
    """Batches of examples, each described by an `Item`, whose targets are the answers only."""

    def __init__(self, examples: Examples, corpus: Synthetic, vocabulary: SymbolIds) -> None:
        self.examples, self.corpus, self.vocabulary = examples, corpus, vocabulary

    def __getitem__(self, item: Item) -> Batch:
        symbols = self.examples.read(item.rows)
        read = self.vocabulary.ids[self.corpus.questions(symbols)]
        prefix = np.concatenate([np.full((len(read), 1), BOS), read[:, :-1]], axis=1)
        target = np.where(self.corpus.answers(symbols), self.vocabulary.ids[symbols], PAD)
        return Batch(
            prefix=torch.from_numpy(prefix),
            target=torch.from_numpy(target),
            source=None,
            documents=None,
            step_tokens=item.step_tokens,
            rows=item.rows,
        )


class ExamplePlan:
    """The batches of every epoch of a training part of ``size`` examples, shuffled. The last one may be smaller."""

    def __init__(self, size: int, examples_per_batch: int, num_answers: int, seed: int) -> None:
        self.shuffle = Shuffle(size, seed)
        self.examples_per_batch, self.num_answers = examples_per_batch, num_answers

    def pools(self, epoch: int) -> int:
        """See `Plan`."""
        return self.shuffle.pools

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """See `Plan`."""
        rows, _ = self.shuffle.pool(epoch, number)
        batches = (
            rows[first : first + self.examples_per_batch] for first in range(0, len(rows), self.examples_per_batch)
        )
        return [PlannedBatch(batch, len(batch) * self.num_answers) for batch in batches]


class EndlessPlan:
    """The batches of endless training: one epoch without end. Its first example depends on the seed of the run."""

    def __init__(self, examples_per_batch: int, num_answers: int, seed: int) -> None:
        self.examples_per_batch, self.num_answers = examples_per_batch, num_answers
        self.first = seed * EXAMPLES_PER_RUN

    def pools(self, epoch: int) -> int:
        """See `Plan`."""
        return sys.maxsize

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """See `Plan`."""
        size = self.examples_per_batch
        batches = range(number * BATCHES_PER_POOL, (number + 1) * BATCHES_PER_POOL)
        return [
            PlannedBatch(self.first + np.arange(batch * size, (batch + 1) * size), size * self.num_answers)
            for batch in batches
        ]
