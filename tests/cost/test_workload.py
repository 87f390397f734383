"""The batches and models that a configuration trains."""

from __future__ import annotations

import pytest
import torch

from regard.config.compose import compose_points
from regard.cost.workload import Workload, with_vocabulary, workload
from regard.data.tokenizer.specials import SPECIAL_PIECES
from regard.instantiate import build


def make(*overrides: str, length: int) -> Workload:
    ((config, _),) = compose_points(["model=demo", "logger=none", *overrides])
    return workload(with_vocabulary(config)[0], length)


@pytest.mark.parametrize(
    ("overrides", "length", "rows"),
    [
        (["task=translation", "batches.tokens_per_batch=512"], 128, 4),
        (["task=translation", "batches.tokens_per_batch=512"], 1024, 1),
        (["task=language", "batches.tokens_per_batch=1000"], 300, 3),
        (["task=captioning", "batches.images_per_batch=7"], 300, 7),
        (["task=language", "data=recall", "batches.examples_per_batch=5"], 300, 5),
    ],
)
def test_a_micro_batch_has_the_sequences_that_the_configuration_allows(
    overrides: list[str], length: int, rows: int
) -> None:
    assert make(*overrides, length=length).rows == rows


def test_the_tokens_of_a_step_are_those_of_all_processes_and_micro_batches() -> None:
    processes = ["trainer.devices=3", "trainer.accumulate_grad_batches=2"]
    assert make("batches.tokens_per_batch=512", *processes, length=128).step_tokens == 512 * 3 * 2


def test_positions_are_added_for_longer_sequences_only() -> None:
    with torch.device("meta"):
        short, long = (make("positions=learned", length=length).make_model() for length in (64, 4096))
    assert (short.max_length, long.max_length) == (256, 4096)
    assert long.decoder.embedding.positions.table.shape == (4096, 128)


def test_separate_vocabularies_have_separate_embeddings() -> None:
    made = make("tokenizer.joint=false", "tokenizer.vocab_size=500", length=8)
    with torch.device("meta"):
        model = made.make_model()
    assert model.encoder is not None
    assert sum(p.shape == (500, 128) for p in model.parameters()) == 2
    batch = made.make_batch(made.make_model(), torch.device("cpu"))
    assert batch.source is not None
    assert batch.source.shape == batch.target.shape == (64, 8)


def test_the_vocabulary_of_bytes_is_known_and_that_of_characters_is_not() -> None:
    for tokenizer, known in ((["tokenizer=byte"], True), (["tokenizer=char", "tokenizer.vocab_size=null"], False)):
        ((config, _),) = compose_points(["model=demo", *tokenizer])
        found, is_known = with_vocabulary(config)
        assert is_known is known
        assert found["model"]["vocab_size"] == (260 if known else 1000)


@pytest.mark.parametrize("data", ["recall", "induction", "mqar"])
def test_the_vocabulary_of_generated_sequences_is_known(data: str) -> None:
    ((config, _),) = compose_points(["task=language", f"data={data}"])
    found, is_known = with_vocabulary(config)
    alphabet = build(config["data"]).alphabet
    assert is_known
    assert found["model"]["vocab_size"] == len(SPECIAL_PIECES) + len(alphabet)
