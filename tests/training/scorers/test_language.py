"""Scores and samples of language models."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from regard.data.tokenizer.specials import BOS, EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel
from regard.model.transformer import Transformer
from regard.training.scorers.language import LanguageScorer
from regard.training.task import Sample

TEXTS = ["", "ab", "the red house is very large\nand has two roofs", "the blue boat", "one more"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer((), TokenizerSettings(kind="byte"))


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> Transformer:
    model = make_model(encoder=False, vocab_size=tokenizer.vocab_size, max_length=10)
    with torch.no_grad():  # generation never draws </s>
        end = model.decoder.embedding.tokens.weight[EOS]
        model.decoder.norm.bias -= 20 * end / end.square().sum()
    return model


@pytest.fixture
def task(model: Transformer, tokenizer: Tokenizer) -> Any:
    data = SimpleNamespace(records=lambda split: iter([(text,) for text in TEXTS]), size=lambda split: (20, 50))
    return SimpleNamespace(
        model=model,
        tokenizers=Tokenizers(tokenizer, tokenizer),
        generator=LanguageModel(model, Tokenizers(tokenizer, tokenizer)),
        data=data,
    )


def samples(task: Any, split: str = "validation", **options: Any) -> list[Sample]:
    arguments = {"samples": 4, "prompt_tokens": 5, "new_tokens": 7, "temperature": 0.8} | options
    return LanguageScorer(**arguments).samples(task, split, {})


def test_samples_have_a_prompt_its_reference_and_a_continuation(task: Any) -> None:
    found = samples(task)
    assert [(sample.source, sample.reference) for sample in found] == [
        ("", ""),
        ("ab", ""),
        ("the r", "ed hous"),
        ("the b", "lue boa"),
    ]
    language_model = LanguageModel(task.model, task.tokenizers)
    prompts = [[BOS, *language_model.target_tokenizer.encode(text)[:5]] for text in TEXTS[:4]]
    written = language_model.continue_prompts(prompts, Sampling(0.8), 7, seed=1)
    assert [sample.output for sample in found] == [language_model.target_tokenizer.decode(row) for row in written]
    assert min(map(len, written)) == 7


@pytest.mark.parametrize("prompt_tokens", [9, 10, 30])
def test_a_prompt_is_at_most_as_long_as_the_context(task: Any, prompt_tokens: int) -> None:
    found = samples(task, prompt_tokens=prompt_tokens)
    assert [sample.source for sample in found] == [text[:9] for text in TEXTS[:4]]  # in addition to <s>
    assert [sample.reference for sample in found] == [text[9:16] for text in TEXTS[:4]]


def test_zero_prompt_tokens_and_zero_new_tokens(task: Any) -> None:
    assert {sample.source for sample in samples(task, prompt_tokens=0)} == {""}
    assert all(sample.reference == sample.output == "" for sample in samples(task, new_tokens=0))
    assert samples(task, samples=0) == []
    assert samples(task, split="test") == []
    assert len(samples(task, samples=99)) == len(TEXTS)


def test_the_temperature_is_used(task: Any) -> None:
    assert samples(task, temperature=0.0) != samples(task) != samples(task, temperature=2.0)


def test_sampling_is_repeatable_and_does_not_change_other_random_numbers(task: Any) -> None:
    state = torch.get_rng_state()
    assert samples(task) == samples(task)
    assert torch.equal(torch.get_rng_state(), state)


def test_only_the_beginning_of_a_long_document_is_encoded(
    task: Any, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, encode = [], tokenizer.encode
    task.data.records = lambda split: iter([("the house " * 100_000,)])
    monkeypatch.setattr(tokenizer, "encode", lambda text: encoded.append(text) or encode(text))
    (sample,) = samples(task)
    assert sample.source + sample.reference == "the house th"
    assert max(map(len, encoded)) < 1000


def test_bits_per_byte(task: Any) -> None:
    # A model with uniform predictions needs eight bits per byte.
    scores = LanguageScorer(1, 1, 1, 1.0).scores(task, "test", loss=50 * 8 * math.log(2) / 20, samples=[])
    assert scores == {"bits_per_byte": pytest.approx(8)}
