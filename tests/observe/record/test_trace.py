"""What is recorded of a sentence explains itself: weights by vectors, chances by scores, guesses by states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.mixer import SelfAttention
from regard.model.positions import NoPositions, Rotary
from regard.model.transformer import Transformer
from regard.observe.record.likelihood import TEMPERATURES
from regard.observe.record.trace import Trace
from regard.observe.record.trace import trace as record

MakeModel = Callable[..., Transformer]


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rotary": {"positions": NoPositions, "mixer": partial(SelfAttention, rotation=Rotary)},
    "grouped": {"mixer": partial(SelfAttention, num_kv_heads=1)},
}


@pytest.fixture(params=list(OPTIONS))
def translator(request: pytest.FixtureRequest, make_model: MakeModel, tokenizer: Tokenizer) -> Translator:
    return Translator(
        make_model(vocab_size=tokenizer.vocab_size, max_length=64, **OPTIONS[request.param]),
        Tokenizers(tokenizer, tokenizer),
    )


@pytest.fixture
def trace(translator: Translator) -> Trace:
    return record(translator, "the red boat", "das rote boot")


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_every_map_follows_from_its_queries_and_keys(trace: Trace) -> None:
    assert set(trace.vectors) == set(trace.maps.maps)
    for name, weights in trace.maps.maps.items():
        query, key, value = trace.vectors[name]
        assert len(value) == len(key)
        key = key.repeat(len(query) // len(key), axis=0)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        if name.startswith("decoder") and name.endswith("self"):
            scores = np.where(np.tril(np.ones(scores.shape[1:], dtype=bool)), scores, -np.inf)
        np.testing.assert_allclose(softmax(scores), weights, atol=1e-5)


def scores_of(translator: Translator, source: str, target: str) -> tuple[torch.Tensor, Sequence[int]]:
    (source_ids,), _ = translator.source.encode([source])
    ids = [*translator.target_tokenizer.encode(target), EOS]
    with torch.no_grad():
        logits = translator.model(torch.tensor([[BOS, *ids[:-1]]]), torch.tensor([source_ids]))[0].double()
    logits[:, [PAD, BOS]] = -torch.inf
    return logits, ids


def test_probabilities_are_exact_at_every_temperature(translator: Translator, trace: Trace) -> None:
    logits, ids = scores_of(translator, "the red boat", "das rote boot")
    likelihood = trace.likelihood
    for number, temperature in enumerate(TEMPERATURES):
        wanted = (logits / temperature).softmax(dim=-1)
        own = wanted[torch.arange(len(ids)), ids]
        np.testing.assert_allclose(likelihood.probabilities(temperature), own, rtol=1e-4, atol=1e-9)
        best = np.exp(likelihood.candidate_logits / temperature - likelihood.log_sums[:, number, None])
        np.testing.assert_allclose(best, wanted.topk(best.shape[1]).values, rtol=1e-4, atol=1e-9)
    pieces = [translator.target_tokenizer.pieces(row) for row in logits.topk(10).indices.tolist()]
    assert likelihood.candidates == pieces


def test_the_last_layer_says_what_the_model_says(trace: Trace) -> None:
    lens = trace.lens
    assert lens.layers == ["embedding", "layer 0", "layer 1"]
    np.testing.assert_allclose(lens.probabilities[-1], trace.likelihood.probabilities(), rtol=1e-4)
    assert lens.candidates[-1] == [row[:5] for row in trace.likelihood.candidates]
    assert not np.allclose(lens.probabilities[0], lens.probabilities[-1])
    for position, rank in enumerate(lens.ranks[-1].tolist()):
        if rank < 5:
            assert lens.candidates[-1][position][rank] == trace.maps.target[position]


def test_a_language_model_has_no_source(make_model: MakeModel, tokenizer: Tokenizer) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size, max_length=64, encoder=False)
    trace = record(LanguageModel(model, Tokenizers(tokenizer, tokenizer)), None, "the red boat")
    assert (trace.source, trace.target) == ("", "the red boat")
    assert set(trace.vectors) == {"decoder.0.self", "decoder.1.self"}
    assert len(trace.likelihood.logits) == len(trace.maps.target) == trace.lens.ranks.shape[1]
