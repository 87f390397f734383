"""The batches of a parallel corpus, with a real Trainer."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from torch.utils.data._utils.pin_memory import pin_memory

from regard.data.batching import Batch
from regard.data.corpora.parallel import ParallelFiles
from regard.data.corpora.pydocs import Pydocs
from regard.data.datamodule import Limits
from regard.data.shuffle import fixed_sample
from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.translation import TranslationData
from regard.errors import RegardError, UsageError

LONG = ("the house is " + "very, " * 40 + "red", "das Haus ist " + "sehr " * 40 + "rot")
ONE_SIDE_LONG = ("the house is red", "das Haus ist " + "sehr " * 40 + "rot")


class Listener(pl.LightningModule):
    """Records the sentences of each training step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.heard: list[tuple[list[int], int]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.heard.append((batch.rows, batch.step_tokens))
        return self.weight**2

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    # Two of the training pairs and one of the test pairs have a side that is too long.
    parts = {"train": [LONG, *pairs[:70], ONE_SIDE_LONG], "validation": pairs[70:85], "test": [LONG, *pairs[85:]]}
    for name, part in parts.items():
        for suffix, side in (("en", 0), ("de", 1)):
            (folder / f"{name}.{suffix}").write_text("".join(pair[side] + "\n" for pair in part), encoding="utf-8")
    return folder


def make(folder: Path, **options: Any) -> TranslationData:
    files = {part: str(folder / part) for part in ("train", "validation", "test")}
    arguments: dict[str, Any] = {
        "corpus": ParallelFiles("en", "de", **files),
        "tokenizer": TokenizerSettings(vocab_size=80, byte_fallback=False, character_coverage=1.0),
        "cache": str(folder / "cache"),
        "tokens_per_batch": 100,
        "evaluation_tokens_per_batch": 60,
        "max_length": 30,
        "seed": 1,
        "say": lambda text: None,
    }
    return TranslationData(**(arguments | options))


def as_rank(
    data: TranslationData, rank: int, world_size: int, accumulate: int = 1, device: str = "cpu"
) -> TranslationData:
    strategy = SimpleNamespace(root_device=torch.device(device))
    numbers = {"global_rank": rank, "world_size": world_size, "accumulate_grad_batches": accumulate}
    data.trainer = SimpleNamespace(strategy=strategy, **numbers)
    return data


def trainer(**options: Any) -> pl.Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "barebones": False,
    }
    usual = {"accelerator": "cpu", "max_epochs": -1, "num_sanity_val_steps": 0, "check_val_every_n_epoch": None}
    return pl.Trainer(**(quiet | usual | {"use_distributed_sampler": False, "limit_val_batches": 0} | options))


def epoch(data: TranslationData) -> list[Batch]:
    """Return training batches until a sentence recurs."""
    seen: set[int] = set()
    batches = []
    for batch in data.train_dataloader():
        if seen & set(batch.rows):
            return batches
        batches.append(batch)
        seen.update(batch.rows)
    raise AssertionError("the stream of training batches ended")


def test_batches_have_special_tokens_and_padding(folder: Path) -> None:
    data = as_rank(make(folder), 0, 1)
    sources, targets = data.prepared.tokens("train")
    for batch in epoch(data):
        rows = zip(batch.rows, batch.source, batch.prefix, batch.target, strict=True)
        for sentence, source, prefix, target in rows:
            ids = targets[sentence].tolist()
            assert target[target != PAD].tolist() == [*ids, EOS]
            assert prefix[prefix != PAD].tolist() == [BOS, *ids]
            assert source[source != PAD].tolist() == [*sources[sentence].tolist(), EOS]
            assert len(ids) + 1 == (target != PAD)[: len(ids) + 1].sum()  # padded on the right
        assert batch.prefix.shape == batch.target.shape
        assert max(batch.source.numel(), batch.target.numel()) <= 100
        assert batch.step_tokens == (batch.target != PAD).sum()


def test_pairs_over_the_limit_are_dropped_from_training_and_reported(folder: Path) -> None:
    messages: list[str] = []
    data = as_rank(make(folder, say=messages.append), 0, 1)
    seen = [sentence for batch in epoch(data) for sentence in batch.rows]
    assert sorted(seen) == list(range(1, 71))
    assert messages[-1:] == [
        "2 of 72 train pairs have a side of more than 30 tokens (model.max_length) and are dropped"
    ]


def test_a_pair_exactly_at_the_limit_is_used(folder: Path) -> None:
    batches = epoch(as_rank(make(folder), 0, 1))
    longest = max(tensor.shape[1] for batch in batches for tensor in (batch.source, batch.target))
    for max_length, stays in ((longest, True), (longest - 1, False)):
        data = as_rank(make(folder, max_length=max_length), 0, 1)
        kept = sorted(sentence for batch in epoch(data) for sentence in batch.rows)
        assert (kept == list(range(1, 71))) == stays


def test_a_corpus_of_documents_is_an_error(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"data has the columns text,"):
        make(folder, corpus=Pydocs())


def test_no_pair_within_the_limit_is_an_error(folder: Path) -> None:
    with pytest.raises(RegardError, match=r"no training pair has at most model\.max_length=3 tokens on both sides"):
        as_rank(make(folder, max_length=3), 0, 1).train_dataloader()


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_covers_every_sentence_once(folder: Path, split: str, world_size: int) -> None:
    seen = []
    for rank in range(world_size):
        data = as_rank(make(folder), rank, world_size)
        batches = list(data.val_dataloader() if split == "validation" else data.test_dataloader())
        assert batches
        for batch in batches:
            seen += batch.rows
            assert max(batch.source.numel(), batch.target.numel()) <= 60 or len(batch.rows) == 1
            assert batch.step_tokens == (batch.target != PAD).sum()
    assert sorted(seen) == list(range(len(data.texts(split)[0])))


def test_evaluation_truncates_pairs_over_the_limit_and_reports_them(folder: Path) -> None:
    messages: list[str] = []
    data = make(folder, say=messages.append)
    cut = [batch for batch in data.test_dataloader() if 0 in batch.rows]
    assert len(cut) == 1
    row = cut[0].rows.index(0)
    assert cut[0].source[row, -1] == cut[0].target[row, -1] == EOS
    assert cut[0].source.shape[1] == cut[0].target.shape[1] == 30
    assert messages[-1:] == [
        "1 of 6 test pairs have a side of more than 30 tokens (model.max_length) and are truncated to 30"
    ]
    list(data.val_dataloader())
    assert len([line for line in messages if "truncated" in line]) == 1


def limited(folder: Path, limit: int | float, rank: int = 0, world_size: int = 1, **options: Any) -> list[Batch]:
    """Return the validation batches of one process."""
    data = make(folder, limits=Limits(validation=limit), **options)
    return list(as_rank(data, rank, world_size).val_dataloader())


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("budget", [40, 60])
def test_a_limited_evaluation_reads_a_random_sample(folder: Path, limit: int, budget: int) -> None:
    messages: list[str] = []
    batches = limited(folder, limit, evaluation_tokens_per_batch=budget, say=messages.append)
    rows = sorted(row for batch in batches for row in batch.rows)
    assert 1 <= len(batches) <= limit
    assert len(set(rows)) == len(rows) < 15
    assert messages[-1] == f"validation: a random sample of {len(rows)} of 15 pairs (trainer.limit_val_batches)"
    assert rows == sorted(fixed_sample(15, len(rows)).tolist()), "whatever their lengths"
    _, more = make(folder, evaluation_tokens_per_batch=budget).evaluation("validation", limit)
    assert len(more) == len(batches)
    assert sum(len(batch.rows) * max(batch.target.shape[1], batch.source.shape[1]) for batch in batches) <= (
        limit * budget
    )


@pytest.mark.parametrize("limit", [1, 3, 0.5])
def test_a_sample_is_the_same_for_any_seed_and_number_of_processes(folder: Path, limit: int | float) -> None:
    alone = sorted(row for batch in limited(folder, limit) for row in batch.rows)
    other = sorted(row for batch in limited(folder, limit, seed=7, tokens_per_batch=50) for row in batch.rows)
    shared = [batch for rank in range(2) for batch in limited(folder, limit, rank, 2)]
    assert alone == other == sorted(row for batch in shared for row in batch.rows)
    assert len(alone) < 15


@pytest.mark.parametrize(("limit", "size"), [(0.5, 7), (1.0, 15), (0.01, 1), (1000, 15)])
def test_a_limit_may_be_a_share_or_exceed_the_part(folder: Path, limit: int | float, size: int) -> None:
    assert sum(len(batch.rows) for batch in limited(folder, limit)) == size


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_for_a_gpu_are_pinned(folder: Path, device: str) -> None:
    data = as_rank(make(folder), 0, 1, device=device)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert loader.pin_memory == (device == "cuda")
    sampled = as_rank(make(folder, sampling_alpha=0.3), 0, 1, device=device).train_dataloader()
    assert sampled.loader.pin_memory == (device == "cuda")


def test_pinning_and_moving_preserve_a_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors cannot be pinned or moved without a GPU: the calls are recorded."""
    batch = next(iter(make(folder).val_dataloader()))
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: pinned.append(self) or self)
    found = pin_memory(batch)
    assert isinstance(found, Batch)
    assert [tensor.shape for tensor in pinned] == [t.shape for t in (batch.prefix, batch.target, batch.source)]
    assert (found.rows, found.step_tokens, found.documents) == (batch.rows, batch.step_tokens, None)
    moved: list[dict[str, Any]] = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **options: moved.append(options) or self)
    assert isinstance(move_data_to_device(found, torch.device("cuda")), Batch)
    assert moved == [{"non_blocking": True}] * 3


def test_a_state_of_an_older_version_continues_with_a_new_epoch_and_a_message(folder: Path) -> None:
    messages: list[str] = []
    data = make(folder, say=messages.append)
    data.load_state_dict({"taken": 20, "position": 20, "epoch": 2, "epoch_position": 14})
    assert messages == [
        "the checkpoint is from an older version of regard with another order of the batches: "
        "training continues with a new epoch, so its losses differ from those of a run that never stopped"
    ]
    items = list(itertools.islice(as_rank(data, 0, 1).train_dataloader(), 3))
    _, plan = make(folder).training()
    assert [batch.rows for batch in items] == [planned.rows.tolist() for planned in plan.pool(3, 0)[:3]]


def test_no_process_is_left_without_a_batch(folder: Path) -> None:
    parts = [list(as_rank(make(folder, evaluation_tokens_per_batch=10_000), r, 4).test_dataloader()) for r in range(4)]
    assert sorted(len(batches) for batches in parts) == [1, 1, 2, 2]
    assert sorted(i for batches in parts for batch in batches for i in batch.rows) == list(range(6))
    with pytest.raises(RegardError, match=r"the test part is too small for 7 processes \(6 rows\)"):
        as_rank(make(folder), 0, 7).test_dataloader()


def test_a_trainer_accumulates_micro_batches_of_one_stream(folder: Path) -> None:
    listener, data = Listener(), make(folder)
    trainer(max_steps=9, accumulate_grad_batches=3).fit(listener, datamodule=data)
    assert len(listener.heard) == 27
    lengths = data.prepared.tokens("train")[1].lengths + 1
    for number in range(0, 27, 3):
        step = listener.heard[number : number + 3]
        tokens = sum(int(lengths[sentences].sum()) for sentences, _ in step)
        assert [counted for _, counted in step] == [tokens] * 3


@pytest.mark.parametrize("stop", [4, 11])  # in the first epoch and in a later one
@pytest.mark.parametrize("workers", [0, 1])
def test_training_resumes_at_the_batch_where_it_stopped(folder: Path, tmp_path: Path, stop: int, workers: int) -> None:
    def run(steps: int, checkpoint: Path | None = None) -> tuple[pl.Trainer, Listener]:
        listener, data = Listener(), make(folder, workers=workers)
        fitting = trainer(max_steps=steps, accumulate_grad_batches=2, limit_val_batches=1, val_check_interval=4)
        fitting.fit(listener, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        return fitting, listener

    _, whole = run(stop + 5)
    fitting, first = run(stop)
    fitting.save_checkpoint(tmp_path / "stopped.ckpt")
    _, second = run(stop + 5, tmp_path / "stopped.ckpt")
    assert len(first.heard) == 2 * stop
    assert first.heard + second.heard == whole.heard


def test_loading_batches_does_not_change_the_global_random_state(folder: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epoch(as_rank(make(folder), 0, 1))
    list(make(folder).val_dataloader())
    assert torch.equal(torch.rand(3), expected)


def pieces(data: TranslationData, count: int) -> list[Batch]:
    return list(itertools.islice(as_rank(data, 0, 1).train_dataloader(), count))


def test_sampled_segmentations_of_the_same_text_differ_every_time(folder: Path) -> None:
    plain, sampled, again, other = (
        pieces(make(folder, sampling_alpha=alpha, seed=seed), 12)
        for alpha, seed in ((None, 1), (0.3, 1), (0.3, 1), (0.3, 2))
    )
    tokenizer = make(folder).prepared.target_tokenizer
    for one, two, three in zip(plain, sampled, again, strict=True):
        assert one.rows == two.rows
        assert two.step_tokens == int((two.target != PAD).sum())  # the real number of tokens, not that of the plan
        assert [tokenizer.decode(row) for row in one.target.tolist()] == [
            tokenizer.decode(row) for row in two.target.tolist()
        ]
        assert all(torch.equal(a, b) for a, b in ((two.target, three.target), (two.source, three.source)))
    assert any(one.target.shape != two.target.shape for one, two in zip(plain, sampled, strict=True))
    assert [batch.rows for batch in other] != [batch.rows for batch in sampled]
    epoch = len({row for batch in plain for row in batch.rows})
    assert epoch == 70  # all of the training pairs, within the twelve batches


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampled_step_counts_the_tokens_of_all_its_batches(folder: Path, workers: int) -> None:
    data = as_rank(make(folder, sampling_alpha=0.3, workers=workers), 0, 1, accumulate=3)
    batches = list(itertools.islice(data.train_dataloader(), 12))
    for number in range(0, 12, 3):
        step = batches[number : number + 3]
        assert [batch.step_tokens for batch in step] == [sum(int((b.target != PAD).sum()) for b in step)] * 3


def test_the_training_process_does_not_repeat_the_sampling_of_its_workers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is sampled once, by the process that loads it, for any number of training processes."""
    cut: list[int] = []
    sample = Tokenizer.sample
    monkeypatch.setattr(Tokenizer, "sample", lambda self, *of: cut.append(len(of[0])) or sample(self, *of))
    monkeypatch.setattr(torch.distributed, "new_group", lambda **_: None)
    sampled = iter(as_rank(make(folder, sampling_alpha=0.3), 1, 4, accumulate=2).train_dataloader())
    step = [next(sampled) for _ in range(2)]
    assert cut == [len(batch.rows) for batch in step for _ in ("target", "source")]
    cut.clear()
    sampled = iter(as_rank(make(folder, sampling_alpha=0.3, workers=1), 1, 4, accumulate=2).train_dataloader())
    next(sampled)
    assert cut == []


def test_characters_cannot_be_sampled(folder: Path) -> None:
    data = make(folder, tokenizer=TokenizerSettings(kind="char", vocab_size=None), sampling_alpha=0.1)
    with pytest.raises(UsageError, match=r"batches\.sampling_alpha=0\.1: the segmentation into characters"):
        pieces(data, 1)
