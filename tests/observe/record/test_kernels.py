"""What is recorded of a layer without attention weights: its mixer, and what each channel remembers for how long."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.hybrid import Hybrid
from regard.model.mixer import SelfAttention
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D
from regard.model.transformer import Transformer
from regard.observe.record.kernels import distance_ranges, summarize_kernels
from regard.observe.record.mixers import describe_mixers
from regard.observe.record.trace import Trace, trace

MakeModel = Callable[..., Transformer]
LONGEST = 40


def recorded(make_model: MakeModel, tokenizer: Tokenizer, mixer: object, encoder: bool) -> tuple[Transformer, Trace]:
    model = make_model(vocab_size=tokenizer.vocab_size, max_length=LONGEST, mixer=mixer, encoder=encoder)
    tokenizers = Tokenizers(tokenizer, tokenizer)
    if encoder:
        return model, trace(Translator(model, tokenizers), "the red boat", "das rote boot")
    return model, trace(LanguageModel(model, tokenizers), None, "the red boat")


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_the_memory_of_an_exponential_is_known(decay: float) -> None:
    count = 2000
    kernel = decay ** np.arange(count)
    alternating = kernel * (-1.0) ** np.arange(count)
    found = summarize_kernels(np.stack([[kernel, alternating], [kernel, alternating]]).astype(np.float32))
    expected = int(np.ceil(np.log(1 - 0.95) / np.log(decay))) - 1  # 1 - decay ** (distance + 1) >= 0.95
    assert found.memory.tolist() == [[expected] * 2, [expected + 1] * 2], "later inputs start at distance 1"


@pytest.mark.parametrize(("count", "most"), [(1, 8), (8, 8), (9, 8), (5000, 64)])
def test_ranges_cover_every_distance_once_and_hold_its_value(count: int, most: int) -> None:
    starts = distance_ranges(count, most)
    assert (starts[0], starts[-1]) == (0, count)
    lengths = np.diff(starts)
    assert len(lengths) <= most
    assert lengths.min() >= 1
    kernels = np.random.default_rng(0).normal(size=(2, 3, count)).astype(np.float32)
    found = summarize_kernels(kernels, most)
    assert found.is_exact == (count <= most)
    for place, (start, end) in enumerate(pairwise(starts)):
        np.testing.assert_array_equal(found.low[..., place], kernels[..., start:end].min(axis=-1))
        np.testing.assert_array_equal(found.high[..., place], kernels[..., start:end].max(axis=-1))


def test_channels_that_diverged_or_are_zero_have_no_memory() -> None:
    kernels = np.stack([np.full((1, 5), np.nan), np.zeros((1, 5)), np.ones((1, 5))], axis=1)
    found = summarize_kernels(kernels)
    assert found.memory.tolist() == [[0, 0, 4]]
    assert np.isfinite(found.low).all()
    assert found.longest_first.tolist() == [2, 0, 1]


def test_kernels_are_those_of_the_model_over_its_longest_input(make_model: MakeModel, tokenizer: Tokenizer) -> None:
    model, found = recorded(make_model, tokenizer, S4D, encoder=False)
    assert not found.maps.maps
    assert list(found.mixers) == ["decoder.0.self", "decoder.1.self"]
    for layer, mixer in zip(model.decoder.layers, found.mixers.values(), strict=True):
        assert mixer.description == "S4D, a state-space model"
        with torch.no_grad():
            expected = layer.mixer.memory.kernels(LONGEST).numpy()
        np.testing.assert_array_equal(mixer.kernels.high, expected)
        np.testing.assert_array_equal(mixer.kernels.low, expected)


def test_only_layers_without_maps_are_named(make_model: MakeModel, tokenizer: Tokenizer) -> None:
    _, found = recorded(make_model, tokenizer, SelfAttention, encoder=True)
    assert found.mixers == {}
    assert describe_mixers(found.mixers) == ""
    _, found = recorded(make_model, tokenizer, Hybrid(H3, SelfAttention, [1]), encoder=True)
    assert set(found.maps.maps) == {"encoder.1.self", "decoder.1.self", "decoder.0.cross", "decoder.1.cross"}
    assert {name: len(mixer.kernels.low) for name, mixer in found.mixers.items()} == {
        "encoder.0.self": 2,
        "decoder.0.self": 1,
    }
    says = "encoder layer 0 and decoder layer 0: H3, a state-space model, no attention weights; kernels are shown"
    assert describe_mixers(found.mixers) == says


class Silent(nn.Module):
    """A mixer that records nothing."""

    def __init__(self, dim: int, num_heads: int, causal: bool, rotation: object) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor, mask: object, record: object = None) -> torch.Tensor:
        return x


def test_a_mixer_that_records_nothing_is_named(make_model: MakeModel, tokenizer: Tokenizer) -> None:
    _, found = recorded(make_model, tokenizer, Hybrid(S4D, Silent, [0]), encoder=False)
    assert found.mixers["decoder.0.self"] == ("Silent", None)
    assert describe_mixers(found.mixers) == (
        "decoder layer 0: Silent, no attention weights or kernels; "
        "decoder layer 1: S4D, a state-space model, no attention weights; kernels are shown"
    )
