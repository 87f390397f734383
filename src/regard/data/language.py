"""The LightningDataModule of language models: documents packed into blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from regard.data.batching import Batch, Indices, Item, Plan, PlannedBatch, pad
from regard.data.corpora.corpus import TEXT, Corpus, Split
from regard.data.corpora.filters import Filter
from regard.data.datamodule import NO_LIMITS, CorpusData, Limits
from regard.data.prepare.progress import Progress
from regard.data.prepare.store import TokenFile
from regard.data.shuffle import Shuffle, fixed_sample
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizers, TokenizerSettings
from regard.errors import RegardError, UsageError


class LanguageData(CorpusData):
    """Batches of blocks: chunks of a text with a fixed number of tokens. See `CorpusData` for the other arguments.

    block_length: number of tokens of a block, the context of the model
    tokens_per_batch: tokens of a training micro-batch, at least one block
    evaluation_tokens_per_batch: the same in validation and test
    stride: distance of consecutive blocks in validation and test. The other tokens of a block are context and are not
        scored again. None for ``block_length``: blocks without overlap, the fastest.
    isolate_documents: tokens do not attend to other documents, and positions count from the start of the document
    """

    columns = TEXT

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TokenizerSettings,
        cache: str,
        tokens_per_batch: int,
        evaluation_tokens_per_batch: int,
        block_length: int,
        stride: int | None,
        isolate_documents: bool,
        seed: int,
        workers: int = 0,
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
        if stride is not None and not 1 <= stride <= block_length:
            raise UsageError(f"batches.stride={stride}: expected 1 to batches.block_length={block_length}, or null")
        self.rows = max(1, tokens_per_batch // block_length)
        self.evaluation_rows = max(1, evaluation_tokens_per_batch // block_length)
        self.block_length, self.stride = block_length, stride or block_length
        self.isolate_documents = isolate_documents

    def training(self) -> tuple[Dataset[Batch], Plan]:
        """Return full blocks, with other boundaries and another order in every epoch.

        Raises RegardError if the text is shorter than a block.
        """
        blocks = Blocks(self.prepared.tokens("train")[0], self.block_length, self.isolate_documents)
        if len(blocks.stream) < self.block_length:
            raise RegardError(
                f"the training text has {len(blocks.stream):,} tokens, one block has {self.block_length:,}; "
                "lower model.max_length, or give more text"
            )
        return blocks, BlockPlan(len(blocks.stream), self.block_length, self.rows, self.seed)

    def evaluation(self, split: Split, limit: int | float | None = None) -> tuple[Dataset[Batch], list[Item]]:
        """Return blocks that score each token of the split once, with the context that ``stride`` leaves.

        With a ``limit``, the blocks are a random sample.
        """
        tokens = self.prepared.tokens(split)[0]
        blocks = Blocks(tokens, self.block_length, self.isolate_documents, self.stride)
        context = self.block_length - self.stride
        starts = range(0, max(1, len(blocks.stream) - context), self.stride)
        if limit is not None:
            size = limit * self.evaluation_rows if isinstance(limit, int) else max(1, int(limit * len(starts)))
            chosen = [starts[block] for block in fixed_sample(len(starts), size).tolist()]
            self.report_sample(split, len(chosen), len(starts), "blocks")
        else:
            chosen = list(starts)
        batches = range(0, len(chosen), self.evaluation_rows)
        return blocks, [Item(chosen[first : first + self.evaluation_rows], 0, -1) for first in batches]


class BlockPlan:
    """The batches of every epoch, as the start positions of their blocks in a stream of ``length`` tokens.

    The first block of an epoch starts at a random position, so that over many epochs every token is at every position
    of a block. The last blocks of a pool are dropped if they do not fill a batch.
    """

    def __init__(self, length: int, block_length: int, rows: int, seed: int) -> None:
        self.length, self.block_length, self.rows, self.seed = length, block_length, rows, seed

    def pools(self, epoch: int) -> int:
        """See `Plan`."""
        return self._blocks(epoch)[1].pools

    def pool(self, epoch: int, number: int) -> list[PlannedBatch]:
        """See `Plan`."""
        first, shuffle = self._blocks(epoch)
        starts = first + self.block_length * shuffle.pool(epoch, number)[0]
        rows = min(self.rows, len(starts))
        return [
            PlannedBatch(starts[begin : begin + rows], rows * self.block_length)
            for begin in range(0, len(starts) - rows + 1, rows)
        ]

    def _blocks(self, epoch: int) -> tuple[int, Shuffle]:
        """Return the start of the first block of an epoch, and the order of all its blocks."""
        random = np.random.default_rng([self.seed, epoch])
        first = int(random.integers(0, min(self.block_length, self.length - self.block_length + 1)))
        return first, Shuffle((self.length - first) // self.block_length, self.seed)


class PackedStream:
    """The concatenated documents of a part, each as ``<s>`` and its tokens, with random access.

    The target of a position is the next token of its document, or ``</s>`` at its end: there are no predictions across
    documents. Holds no tokens: a read accesses only the documents that it covers.
    """

    def __init__(self, tokens: TokenFile) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return self._begin(len(self.tokens))

    def read(self, begin: int, end: int) -> tuple[Indices, Indices, Indices]:
        """Return tokens, targets and document numbers from position ``begin`` up to ``end``, each Int "length"."""
        document = bisect_right(range(len(self.tokens)), begin, key=self._begin) - 1
        tokens: list[npt.NDArray[np.int64]] = []
        targets: list[npt.NDArray[np.int64]] = []
        documents: list[npt.NDArray[np.int64]] = []
        while begin < end:
            first, stop = self._begin(document), min(end, self._begin(document + 1))
            low, high = begin - first, stop - first
            offset, length = (
                self.tokens.offset(document),
                self.tokens.offset(document + 1) - self.tokens.offset(document),
            )
            text = self.tokens.between(offset + max(low - 1, 0), offset + min(high, length))
            row = np.concatenate([[BOS] * (low == 0), text, [EOS] * (high > length)]).astype(np.int64)
            tokens.append(row[:-1])
            targets.append(row[1:])
            documents.append(np.full(len(row) - 1, document))
            begin, document = stop, document + 1
        return np.concatenate(tokens), np.concatenate(targets), np.concatenate(documents)

    def _begin(self, document: int) -> int:
        return self.tokens.offset(document) + document


class Blocks(Dataset[Batch]):
    """Batches of blocks of a packed stream. The rows of an `Item` are the start positions of its blocks.

    stride: number of targets at the end of each block that are scored; all of the first block. None for all targets.
    """

    def __init__(
        self, tokens: TokenFile, block_length: int, isolate_documents: bool, stride: int | None = None
    ) -> None:
        self.stream = PackedStream(tokens)
        self.block_length, self.isolate_documents = block_length, isolate_documents
        self.context = block_length - (stride or block_length)

    def __getitem__(self, item: Item) -> Batch:
        length = len(self.stream)
        blocks = [self.stream.read(start, min(start + self.block_length, length)) for start in item.rows]
        for start, (_, targets, _) in zip(item.rows, blocks, strict=True):
            if start > 0:
                targets[: self.context] = PAD
        prefix, target, documents = (pad([block[part] for block in blocks]) for part in range(3))
        return Batch(
            prefix=prefix,
            target=target,
            source=None,
            documents=documents if self.isolate_documents else None,
            step_tokens=item.step_tokens,
            rows=item.rows,
        )
