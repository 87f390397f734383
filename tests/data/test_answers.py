"""Batches of generated sequences: only answers are targets, and every batch is a function of seed and position."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from regard.data.answers import AnswerData, EndlessPlan
from regard.data.batching import Batch, StepBatches
from regard.data.corpora.filters import Length
from regard.data.corpora.pydocs import Pydocs
from regard.data.corpora.synthetic.induction import InductionHead
from regard.data.corpora.synthetic.mqar import MultiQueryRecall
from regard.data.datamodule import Limits
from regard.data.tokenizer.specials import BOS, PAD
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.errors import RegardError, UsageError

SIZES = {"validation_size": 20, "test_size": 30}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., AnswerData]:
    settings = {"byte_fallback": False, "add_dummy_prefix": False, "remove_extra_whitespaces": False}

    def make(corpus: Any = None, kind: str = "char", seed: int = 1, **options: Any) -> AnswerData:
        corpus = corpus or MultiQueryRecall(length=24, num_pairs=3, vocab_size=32, **SIZES)
        tokenizer = TokenizerSettings(kind, vocab_size=None if kind == "char" else 300, **settings)
        arguments = {"examples_per_batch": 8, "evaluation_examples_per_batch": 16, "max_length": 64} | options
        return AnswerData(corpus, tokenizer, str(tmp_path), seed=seed, say=lambda text: None, **arguments)

    return make


def first_batches(data: AnswerData, count: int, **stream: Any) -> list[Batch]:
    dataset, plan = data.training()
    return [dataset[item] for item in islice(StepBatches(plan, **stream), count)]


@pytest.mark.parametrize("size", [None, 100])
def test_targets_are_the_answers_at_the_symbol_before_them(make: Callable[..., AnswerData], size: int | None) -> None:
    corpus = MultiQueryRecall(length=24, num_pairs=3, vocab_size=32, size=size, **SIZES)
    data = make(corpus)
    decode = data.prepared.target_tokenizer.decode
    for batch in first_batches(data, 3):
        assert batch.prefix.shape == batch.target.shape == (8, 24)
        assert (batch.prefix[:, 0] == BOS).all()
        assert (batch.prefix != PAD).all()
        assert int((batch.target != PAD).sum()) == batch.step_tokens == 8 * 3
        for prefix, target in zip(batch.prefix, batch.target, strict=True):
            value_of = {decode([key]): decode([value]) for key, value in prefix[1:7].view(3, 2).tolist()}
            places = target.nonzero()[:, 0].tolist()
            assert {decode([int(prefix[place])]): decode([int(target[place])]) for place in places} == value_of


def test_validation_has_the_records_in_order(make: Callable[..., AnswerData]) -> None:
    data = make()
    dataset, items = data.evaluation("validation")
    assert [(len(item.rows), item.step_tokens) for item in items] == [(16, 48), (4, 12)]
    read = [data.prepared.target_tokenizer.decode(row) for item in items for row in dataset[item].prefix.tolist()]
    assert read == [data.question(text)[:-1] for (text,) in data.records("validation")]
    batch = data.batch("validation", [19, 3])
    assert data.prepared.target_tokenizer.decode(batch.prefix[1].tolist()) == read[3]
    (text,) = next(data.records("validation"))
    places = data.answer_places(text)
    assert data.question(text) == "".join("." if place in places else text[place] for place in range(len(text)))
    assert data.example(Path()) == data.question(text)[: places[-1]]


@pytest.mark.parametrize(("limit", "sizes"), [(1, [16]), (0.5, [10]), (9, [16, 4])])
def test_a_limited_evaluation_is_a_sample(make: Callable[..., AnswerData], limit: float, sizes: list[int]) -> None:
    _, items = make().evaluation("validation", limit)
    assert [len(item.rows) for item in items] == sizes


def test_each_epoch_of_a_fixed_size_has_every_example_once(make: Callable[..., AnswerData]) -> None:
    _, plan = make(InductionHead(size=30, **SIZES)).training()
    epochs = [[*plan.pool(epoch, 0)] for epoch in range(2)]
    for batches in epochs:
        assert [batch.tokens for batch in batches] == [8, 8, 8, 6]
        assert sorted(row for batch in batches for row in batch.rows.tolist()) == list(range(30))
    assert epochs[0][0].rows.tolist() != epochs[1][0].rows.tolist()


def test_endless_batches_are_new_and_depend_on_the_seed_of_the_run(make: Callable[..., AnswerData]) -> None:
    rows = [row for batch in first_batches(make(), 300) for row in batch.prefix.tolist()]
    assert len(set(map(tuple, rows))) == len(rows) == 2400
    other = {tuple(row) for batch in first_batches(make(seed=2**32 - 1), 20) for row in batch.prefix.tolist()}
    assert other.isdisjoint(map(tuple, rows))


def test_ranks_and_a_resumed_stream_read_the_same_endless_batches() -> None:
    whole = [item.rows for item in islice(StepBatches(EndlessPlan(8, 1, seed=3)), 600)]
    ranks = [
        [item.rows for item in islice(StepBatches(EndlessPlan(8, 1, seed=3), rank=rank, world_size=2), 300)]
        for rank in range(2)
    ]
    assert [rows for pair in zip(*ranks, strict=True) for rows in pair] == whole
    stream = StepBatches(EndlessPlan(8, 1, seed=3))
    next(islice(stream, 400, None))  # a loader reads ahead
    resumed = StepBatches(EndlessPlan(8, 1, seed=3))
    resumed.resume(stream.state_at(390))
    assert [item.rows for item in islice(resumed, 210)] == whole[390:]


def test_the_vocabulary_is_the_alphabet(make: Callable[..., AnswerData]) -> None:
    corpus = MultiQueryRecall(length=8, num_pairs=1, vocab_size=400, size=2, **SIZES)
    data = make(corpus)
    assert data.prepared.target_tokenizer.vocab_size == 4 + 400
    assert sorted(data.vocabulary.ids.tolist()) == list(range(4, 404))


def test_a_model_with_another_vocabulary_is_refused(make: Callable[..., AnswerData]) -> None:
    small = make(InductionHead(vocab_size=5))
    with pytest.raises(RegardError, match=r"^the vocabulary of the model has no token for the symbol e; train a new"):
        make(InductionHead(vocab_size=8), tokenizers=small.tokenizers)


def test_settings_that_do_not_suit_are_named(make: Callable[..., AnswerData]) -> None:
    with pytest.raises(UsageError, match=r"^tokenizer\.kind=bpe: expected char"):
        make(kind="bpe")
    with pytest.raises(UsageError, match=r"^model\.max_length=24: an example has 24 symbols; give at least 25"):
        make(max_length=24)
    with pytest.raises(UsageError, match=r"^batches\.filters: endless training cannot be filtered"):
        make(filters={"length": Length(max_words=3)})
    with pytest.raises(UsageError, match=r"^batches: this data module needs a corpus that marks answers"):
        AnswerData.require_columns(Pydocs())


def test_a_limit_repeats_the_first_batches(make: Callable[..., AnswerData]) -> None:
    data = make(limits=Limits(train=2))
    data.trainer = SimpleNamespace(
        accumulate_grad_batches=1,
        global_rank=0,
        world_size=1,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    batches = [batch.prefix for batch in islice(data.train_dataloader(), 4)]
    assert torch.equal(batches[0], batches[2])
    assert torch.equal(batches[1], batches[3])
    assert not torch.equal(batches[0], batches[1])
