"""Weights that are arranged for decoding: another layout or precision, and the same model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from regard.inference import weights
from regard.inference.weights import arrange_weights
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer

MakeModel = Callable[..., Transformer]

PREFIX, SOURCE = torch.tensor([[1, 5, 6, 7], [1, 8, 9, 4]]), torch.tensor([[4, 5, 2], [9, 2, 0]])


@pytest.mark.parametrize("options", [{}, {"source_vocab_size": 20}, {"mixer": partial(H3, state_size=4)}], ids=str)
def test_the_model_and_its_weights_are_the_same(make_model: MakeModel, options: dict[str, object]) -> None:
    model, arranged = make_model(**options), arrange_weights(make_model(**options))
    torch.testing.assert_close(arranged(PREFIX, SOURCE), model(PREFIX, SOURCE), rtol=0, atol=1e-5)
    torch.testing.assert_close(arranged.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_wide_matrices_are_stored_input_by_input(make_model: MakeModel) -> None:
    model = arrange_weights(make_model(vocab_size=40))
    layer = model.decoder.layers[0]
    for wide in (layer.feed_forward[0].weight, layer.mixer.attention.key_value.weight):
        assert wide.mT.is_contiguous()
        assert not wide.is_contiguous()
    assert layer.feed_forward[2].weight.is_contiguous()
    assert model.decoder.embedding.tokens.weight.mT.is_contiguous()
    assert model.decoder.embedding.tokens.weight is model.encoder.embedding.tokens.weight  # still tied


@pytest.mark.parametrize("emulated", [True, False])
def test_bfloat16_becomes_float32_if_it_is_emulated(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, emulated: bool
) -> None:
    monkeypatch.setattr(weights, "emulates_bfloat16", lambda device_type: emulated)
    model = arrange_weights(make_model().to(torch.bfloat16))
    assert {weight.dtype for weight in model.parameters()} == {torch.float32 if emulated else torch.bfloat16}
    assert model(PREFIX, SOURCE).dtype == (torch.float32 if emulated else torch.bfloat16)
