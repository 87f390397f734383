"""Blocks of a text: every token is at its position and scored once, for documents of any length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from regard.data.batching import Batch
from regard.data.corpora.corpus import Split
from regard.data.corpora.text_files import TextFiles
from regard.data.datamodule import Limits
from regard.data.language import BlockPlan, Blocks, LanguageData, PackedStream
from regard.data.prepare.store import TokenFile, TokenWriter
from regard.data.shuffle import fixed_sample
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError, UsageError
from regard.inference.language_model import LanguageModel
from regard.model.transformer import Transformer
from regard.training.objectives.next_token import NextToken
from regard.training.schedule import constant
from regard.training.scorers.language import LanguageScorer
from regard.training.task import Task

DOCUMENTS = [[10, 11, 12], [], [], [13], [], list(range(20, 45)), [14, 15], []]
NAIVE = [
    (token, target, number)
    for number, ids in enumerate(DOCUMENTS)
    for token, target in zip([BOS, *ids], [*ids, EOS], strict=True)
]
"""Token, target and document of every position, computed directly."""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    stem = tmp_path_factory.mktemp("tokens") / "train.text"
    with TokenWriter(stem, vocab_size=50) as writer:
        writer.append(DOCUMENTS)
    return TokenFile(stem)


def test_any_window_is_a_slice_of_the_concatenated_documents(tokens: TokenFile) -> None:
    stream = PackedStream(tokens)
    assert len(stream) == len(NAIVE)
    for begin in range(len(NAIVE)):
        for end in range(begin + 1, len(NAIVE) + 1):
            assert list(zip(*(part.tolist() for part in stream.read(begin, end)), strict=True)) == NAIVE[begin:end]


@pytest.mark.parametrize("isolate", [True, False])
def test_blocks_are_windows_and_training_blocks_have_no_padding(tokens: TokenFile, isolate: bool) -> None:
    starts = [3, 0, len(NAIVE) - 8]
    batch = Blocks(tokens, 8, isolate)[SimpleNamespace(rows=starts, step_tokens=7, position=0)]
    expected = torch.tensor([NAIVE[start : start + 8] for start in starts])
    assert torch.equal(batch.prefix, expected[:, :, 0])
    assert torch.equal(batch.target, expected[:, :, 1])
    assert torch.equal(batch.documents, expected[:, :, 2]) if isolate else batch.documents is None
    assert (batch.step_tokens, batch.rows, batch.source) == (7, starts, None)
    assert (batch.target != PAD).all()


# The plan of an epoch


def plan(length: int, block_length: int = 10, rows: int = 4, seed: int = 1, epoch: int = 0) -> list[list[int]]:
    plan = BlockPlan(length, block_length, rows, seed)
    batches = [batch for pool in range(plan.pools(epoch)) for batch in plan.pool(epoch, pool)]
    assert all(batch.tokens == len(batch.rows) * block_length for batch in batches)
    return [batch.rows.tolist() for batch in batches]


@pytest.mark.parametrize("length", [10, 11, 19, 20, 39, 40, 45, 1000, 1003])
def test_blocks_of_an_epoch_do_not_overlap_and_are_within_the_text(length: int) -> None:
    for epoch in range(30):
        batches = plan(length, epoch=epoch)
        starts = sorted(start for batch in batches for start in batch)
        assert starts[0] >= 0
        assert starts[-1] + 10 <= length
        assert all(later - start >= 10 for start, later in pairwise(starts))
        assert {len(batch) for batch in batches} == {min(4, len(batches[0]))}, "full batches"
        left_out = length // 10 - len(starts)
        assert left_out <= 4, "of the text no more is left out than a batch"
        if length >= 50:
            assert {len(batch) for batch in batches} == {4}


def test_a_text_smaller_than_a_batch_is_one_batch() -> None:
    assert [sorted(batch) for batch in plan(10)] == [[0]]
    assert {tuple(map(len, plan(35, epoch=epoch))) for epoch in range(40)} == {(3,), (2,)}


def test_the_plan_depends_on_seed_and_epoch_only() -> None:
    assert plan(1000, seed=1, epoch=2) == plan(1000, seed=1, epoch=2)
    plans = [plan(1000, seed=seed, epoch=epoch) for seed in (1, 2) for epoch in range(4)]
    assert all(one != other for number, one in enumerate(plans) for other in plans[:number])
    in_order = [sorted(start for batch in one for start in batch) for one in plans]
    assert any(one != in_order[0] for one in in_order), "and blocks are cut elsewhere"


def test_over_many_epochs_every_token_is_at_every_position() -> None:
    seen = Counter(
        (start + place, place)
        for epoch in range(2000)
        for batch in plan(25, rows=1, epoch=epoch)
        for start in batch
        for place in range(10)
    )
    assert {position for position, _ in seen} == set(range(25))
    assert {place for position, place in seen if position == 12} == set(range(10))


# A corpus with documents of all lengths, empty documents, and characters of several bytes

TRAIN = "one line and another\n\nthree: über die Straße\nx\n" * 4
VALIDATION = "The first of them is empty:\n" + "ä" * 30 + "\n\n漢字 😀\nlast"
TEXTS = ["", *VALIDATION.split("\n")]
LENGTH = sum(len(text.encode()) + 1 for text in TEXTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "train.txt").write_text(TRAIN, encoding="utf-8")
    (folder / "validation.txt").write_text("\n" + VALIDATION, encoding="utf-8")
    (folder / "short.txt").write_text("abc\nd", encoding="utf-8")
    return folder


def make(folder: Path, train: str = "train", **options: Any) -> LanguageData:
    """Make the data module. Tokens are bytes, documents are lines."""
    arguments: dict[str, Any] = {
        "corpus": TextFiles(str(folder / f"{train}.txt"), str(folder / "validation.txt"), document="line"),
        "tokenizer": TokenizerSettings(kind="byte"),
        "cache": str(folder / "cache"),
        "tokens_per_batch": 40,
        "evaluation_tokens_per_batch": 40,
        "block_length": 12,
        "stride": None,
        "isolate_documents": False,
        "seed": 1,
        "say": lambda text: None,
    }
    return LanguageData(**(arguments | options))


def as_rank(data: LanguageData, rank: int, world_size: int, accumulate: int = 1, device: str = "cpu") -> LanguageData:
    strategy = SimpleNamespace(root_device=torch.device(device))
    numbers = {"global_rank": rank, "world_size": world_size, "accumulate_grad_batches": accumulate}
    data.trainer = SimpleNamespace(strategy=strategy, **numbers)
    return data


def naive(data: LanguageData, split: Split = "validation") -> list[tuple[int, int]]:
    """Return every token of the split with its target."""
    rows = [data.prepared.target_tokenizer.encode(text) for text in data.texts(split)[0]]
    return [pair for ids in rows for pair in zip([BOS, *ids], [*ids, EOS], strict=True)]


def test_training_batches_are_full_and_count_their_tokens(folder: Path) -> None:
    stream = iter(as_rank(make(folder), 0, 2, accumulate=3).train_dataloader())
    for _, batch in zip(range(20), stream, strict=False):
        assert batch.prefix.shape == batch.target.shape == (3, 12)
        assert (batch.target != PAD).all()
        assert batch.step_tokens == 2 * 3 * 3 * 12


def test_processes_take_turns(folder: Path) -> None:
    def rows(rank: int, world_size: int, count: int) -> list[list[int]]:
        stream = as_rank(make(folder), rank, world_size).train_dataloader()
        return [batch.rows for _, batch in zip(range(count), stream, strict=False)]

    alone = rows(0, 1, 24)
    assert rows(0, 2, 12) == alone[::2]
    assert rows(1, 2, 12) == alone[1::2]


def test_a_text_shorter_than_a_block_is_an_error(folder: Path) -> None:
    data = as_rank(make(folder, train="short", block_length=6), 0, 1)
    assert next(iter(data.train_dataloader())).prefix.shape == (1, 6)
    message = r"the training text has 6 tokens, one block has 7; lower model\.max_length, or give more text"
    with pytest.raises(RegardError, match=message):
        as_rank(make(folder, train="short", block_length=7), 0, 1).train_dataloader()


@pytest.mark.parametrize("stride", [0, 13, -1])
def test_a_stride_is_at_most_a_block(folder: Path, stride: int) -> None:
    with pytest.raises(UsageError, match=rf"batches\.stride={stride}: expected 1 to batches\.block_length=12, or null"):
        make(folder, stride=stride)


def test_a_corpus_of_pairs_is_an_error(folder: Path) -> None:
    from regard.data.corpora.parallel import ParallelFiles

    files = ParallelFiles("en", "de", "x", "y", "z")
    with pytest.raises(UsageError, match="data has the columns source, target, this task reads text"):
        make(folder, corpus=files)


BLOCKS = [(12, None), (12, 12), (12, 11), (12, 5), (12, 1), (7, 3), (LENGTH, None), (LENGTH, 4), (LENGTH - 1, 2)]
BLOCKS += [(LENGTH + 9, None), (LENGTH + 9, 5), (1, None)]


@pytest.mark.parametrize(("block_length", "stride"), BLOCKS)
@pytest.mark.parametrize("world_size", [1, 3])
def test_evaluation_scores_every_target_once_with_context(
    folder: Path, block_length: int, stride: int | None, world_size: int
) -> None:
    expected, scored = naive(make(folder)), Counter[int]()
    assert len(expected) == LENGTH
    context = block_length - (stride or block_length)
    if world_size > 1 and LENGTH - context <= 2 * (stride or block_length):
        return  # fewer blocks than processes: an error, see the next test
    for rank in range(world_size):
        data = as_rank(make(folder, block_length=block_length, stride=stride), rank, world_size)
        batches = list(data.val_dataloader())
        assert batches
        for batch in batches:
            for row, start in enumerate(batch.rows):
                window = expected[start : start + block_length]
                assert batch.prefix[row][: len(window)].tolist() == [token for token, _ in window]
                assert (batch.prefix[row][len(window) :] == PAD).all()
                places = (batch.target[row] != PAD).nonzero()[:, 0].tolist()
                assert [int(batch.target[row, place]) for place in places] == [window[place][1] for place in places]
                assert start == 0 or min(places) >= context
                scored.update(start + place for place in places)
    assert scored == Counter(range(LENGTH))


@pytest.mark.parametrize(("limit", "size"), [(1, 3), (2, 6), (0.5, 4), (0.01, 1), (50, 9)])
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_limited_evaluation_reads_a_random_sample_of_blocks(
    folder: Path, limit: int | float, size: int, world_size: int
) -> None:
    starts: list[int] = []
    for rank in range(world_size):
        data = make(folder, seed=rank, limits=Limits(validation=limit))
        if size < world_size:
            with pytest.raises(RegardError, match="too small for 2 processes"):
                as_rank(data, rank, world_size).val_dataloader()
            return
        starts += [row for batch in as_rank(data, rank, world_size).val_dataloader() for row in batch.rows]
    assert sorted(starts) == [12 * block for block in fixed_sample(9, size)]


def test_too_few_blocks_for_the_processes_is_an_error(folder: Path) -> None:
    parts = [list(as_rank(make(folder, block_length=LENGTH - 1), rank, 2).val_dataloader()) for rank in range(2)]
    assert [len(batches) for batches in parts] == [1, 1], "a batch of two blocks is dealt out"
    with pytest.raises(RegardError, match=r"the validation part is too small for 2 processes"):
        as_rank(make(folder, block_length=LENGTH), 0, 2).val_dataloader()


# With a Trainer


def trainer(**options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    usual = {"accelerator": "cpu", "enable_model_summary": False, "use_distributed_sampler": False}
    return pl.Trainer(**(quiet | usual | options))


def task(model: Transformer, data: LanguageData) -> Task:
    return Task(
        model=model,
        model_config={},
        tokenizers=data.prepared.tokenizers,
        tokenizer_config={},
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.0),
        schedule=constant(0),
        name="language",
        objective=NextToken(label_smoothing=0.0),
        compile=False,
        generator=LanguageModel,
        scorer=LanguageScorer(samples=0, prompt_tokens=1, new_tokens=1, temperature=1.0),
        data=data,
    )


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Transformer]) -> Transformer:
    return make_model(encoder=False, vocab_size=260, max_length=12, depth=1)


def validated(model: Transformer, data: LanguageData) -> dict[str, float]:
    validating = trainer()
    validating.validate(task(model, data), datamodule=data, verbose=False)
    return {name: float(value) for name, value in validating.callback_metrics.items()}


@torch.inference_mode()
def loss_of(model: Transformer, tokens: list[int], targets: list[int]) -> torch.Tensor:
    """The loss of each target in nats."""
    logits = model(torch.tensor([tokens]))[0].double()
    return -logits.log_softmax(dim=-1)[torch.arange(len(targets)), torch.tensor(targets)]


@pytest.mark.parametrize("stride", [None, 12, 5, 1])
def test_the_loss_is_the_mean_over_every_target_in_its_context(
    folder: Path, model: Transformer, stride: int | None
) -> None:
    data = make(folder, stride=stride)
    tokens, targets = map(list, zip(*naive(data), strict=True))
    step, losses = stride or 12, []
    for place in range(LENGTH):
        # The first block that contains the position.
        start = max(0, math.ceil((place - 11) / step) * step)
        losses.append(loss_of(model, tokens[start : place + 1], targets[start : place + 1])[-1])
    metrics = validated(model, data)
    assert metrics["validation/loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert metrics["validation/perplexity"] == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
    size = len("\n".join(TEXTS).encode()) - (len(TEXTS) - 1)
    assert size > len("".join(TEXTS)), "not characters"
    assert metrics["validation/bits_per_byte"] == pytest.approx(np.sum(losses) / math.log(2) / size, rel=1e-5)


def test_bytes_are_counted_in_the_text_and_not_in_its_tokens(folder: Path) -> None:
    lossy = TokenizerSettings(
        kind="char", vocab_size=None, normalization="nfkc", byte_fallback=False, character_coverage=1.0
    )
    assert make(folder, tokenizer=lossy).size("validation")[1] == len("".join(TEXTS).encode())
    assert make(folder).size("train")[1] == len(TRAIN.replace("\n", "").encode())


def document_losses(model: Transformer, data: LanguageData) -> list[torch.Tensor]:
    rows = [data.prepared.target_tokenizer.encode(text) for text in data.texts("validation")[0]]
    return [loss_of(model, [BOS, *ids], [*ids, EOS]) for ids in rows]


def test_isolated_documents_have_the_same_loss_as_separate_ones(
    folder: Path, make_model: Callable[..., Transformer]
) -> None:
    model = make_model(encoder=False, vocab_size=260, max_length=LENGTH + 5, depth=1)
    apart, together = (make(folder, block_length=LENGTH + 5, isolate_documents=isolate) for isolate in (True, False))
    expected = torch.cat(document_losses(model, apart)).mean().item()
    assert validated(model, apart)["validation/loss"] == pytest.approx(expected, rel=1e-5)
    assert validated(model, together)["validation/loss"] != pytest.approx(expected, rel=1e-3)


class Losses(pl.Callback):
    """Records each training batch and its loss."""

    def __init__(self) -> None:
        self.noted: list[tuple[Batch, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Batch, index: int) -> None:
        self.noted.append((batch, float(outputs["share"]) * batch.step_tokens))


@pytest.mark.parametrize("isolate", [True, False])
def test_training_isolates_documents_if_requested(folder: Path, model: Transformer, isolate: bool) -> None:
    losses, data = Losses(), make(folder, isolate_documents=isolate)
    fitting = trainer(max_steps=5, max_epochs=-1, limit_val_batches=0, callbacks=[losses])
    fitting.fit(task(model.train(), data), datamodule=data)
    assert len(losses.noted) == 5
    for batch, loss in losses.noted:
        expected = 0.0
        for prefix, target in zip(batch.prefix.tolist(), batch.target.tolist(), strict=True):
            begins = [0, *(place for place in range(1, 12) if prefix[place] == BOS and isolate), 12]
            for begin, end in pairwise(begins):
                expected += loss_of(model, prefix[begin:end], target[begin:end]).sum().item()
        assert loss == pytest.approx(expected, rel=1e-5)
