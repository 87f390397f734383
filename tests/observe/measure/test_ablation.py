"""Gated heads are really off, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regard.data.batching import Batch
from regard.model.attention import MultiHeadAttention
from regard.model.hybrid import Hybrid
from regard.model.mixer import SelfAttention
from regard.model.recorder import Recorder
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer
from regard.observe.measure.ablation import ablated, attention_modules, head_importance, mean_loss

MakeModel = Callable[..., Transformer]


@pytest.fixture
def model(make_model: MakeModel) -> Transformer:
    return make_model(dim=24, num_heads=3)


def output_of(model: nn.Module, attention: MultiHeadAttention, *ids: Tensor) -> tuple[Tensor, Tensor]:
    """What the attention gets from its heads as the model runs, "batch query dim", and what it gives."""
    seen: list[tuple[Tensor, Tensor]] = []
    with attention.output.register_forward_hook(lambda module, given, result: seen.append((given[0], result))):
        model(*ids)
    return seen[0]


PREFIX, SOURCE = torch.tensor([[1, 5, 6, 7]]), torch.tensor([[4, 5, 8, 9, 2]])


def test_attentions_have_the_names_of_their_maps(model: Transformer, make_model: MakeModel) -> None:
    recorder = Recorder()
    model(PREFIX, SOURCE, recorder)
    assert attention_modules(model).keys() == recorder.maps.keys()
    assert {module.num_heads for module in attention_modules(model).values()} == {3}
    assert list(attention_modules(make_model(encoder=False))) == ["decoder.0.self", "decoder.1.self"]
    hybrid, recorder = make_model(mixer=Hybrid(H3, SelfAttention, [1])), Recorder()
    hybrid(PREFIX, SOURCE, recorder)
    assert attention_modules(hybrid).keys() == recorder.maps.keys()
    assert recorder.maps.keys() == {"encoder.1.self", "decoder.1.self", "decoder.0.cross", "decoder.1.cross"}


@pytest.mark.parametrize("name", ["encoder.0.self", "decoder.1.self", "decoder.0.cross"])
def test_a_gated_head_adds_nothing_and_the_others_what_they_did(model: Transformer, name: str) -> None:
    attention = attention_modules(model)[name]
    nn.init.normal_(attention.output.bias)
    heard, before = output_of(model, attention, PREFIX, SOURCE)
    with ablated(model, {name: [1]}):
        gated_heard, after = output_of(model, attention, PREFIX, SOURCE)
    by_head, gated_by_head = (x.unflatten(-1, (3, 8)) for x in (heard, gated_heard))
    assert by_head[..., 1, :].abs().min() > 0
    assert torch.equal(gated_by_head[..., 1, :], torch.zeros_like(by_head[..., 1, :]))
    assert torch.equal(gated_by_head[..., [0, 2], :], by_head[..., [0, 2], :])
    # What is missing from the output is the head's own part of the projection.
    part = by_head[..., 1, :] @ attention.output.weight[:, 8:16].T
    torch.testing.assert_close(before - after, part)


@pytest.mark.parametrize("name", ["encoder.1.self", "decoder.0.self", "decoder.1.cross"])
def test_all_heads_gated_leave_the_bias(model: Transformer, name: str) -> None:
    attention = attention_modules(model)[name]
    nn.init.normal_(attention.output.bias)
    with ablated(model, {name: [0, 1, 2]}):
        _, given = output_of(model, attention, PREFIX, SOURCE)
    torch.testing.assert_close(given, attention.output.bias.expand_as(given), rtol=0, atol=0)


def test_gates_open_again(model: Transformer) -> None:
    logits = model(PREFIX, SOURCE)
    with ablated(model, {"decoder.0.cross": [0], "decoder.1.cross": [2]}):
        assert not torch.allclose(model(PREFIX, SOURCE), logits)
    assert torch.equal(model(PREFIX, SOURCE), logits)
    with pytest.raises(TypeError, match="needs a source"), ablated(model, {"decoder.0.cross": [0]}):
        model(PREFIX)
    assert torch.equal(model(PREFIX, SOURCE), logits)
    with ablated(model, {}):
        assert torch.equal(model(PREFIX, SOURCE), logits)
    with pytest.raises(IndexError), ablated(model, {"decoder.0.cross": [3]}):
        pass


def test_generation_step_by_step_is_gated_too(model: Transformer) -> None:
    with ablated(model, {"decoder.0.self": [0], "decoder.1.cross": [1]}):
        whole = model(PREFIX, SOURCE)
        state = model.decoder.start(model.encode(SOURCE), 1)
        stepped, _ = model.decoder.extend(PREFIX, state)
    torch.testing.assert_close(stepped, whole)


def test_importance_is_the_change_of_the_loss(model: Transformer) -> None:
    batches = [
        Batch(PREFIX, torch.tensor([[5, 6, 7, 2]]), SOURCE, None, 4, [0]),
        Batch(torch.tensor([[1, 9, 0]]), torch.tensor([[9, 2, 0]]), SOURCE, None, 2, [1]),
    ]
    log_p = [model(batch.prefix, batch.source).log_softmax(dim=-1)[0] for batch in batches]
    by_hand = -sum(log_p[0][i, t] for i, t in enumerate([5, 6, 7, 2])) - log_p[1][0, 9] - log_p[1][1, 2]
    loss, changes = head_importance(model, lambda: mean_loss(model, batches))
    assert loss == pytest.approx(by_hand.item() / 6, rel=1e-5)
    assert changes.keys() == attention_modules(model).keys()
    with ablated(model, {"decoder.1.self": [2]}):
        assert changes["decoder.1.self"][2] == pytest.approx(mean_loss(model, batches) - loss)
    # A head whose part of the projection is nought is worth nothing.
    attention = attention_modules(model)["encoder.0.self"]
    with torch.no_grad():
        attention.output.weight[:, 8:16] = 0
    _, changes = head_importance(model, lambda: mean_loss(model, batches))
    assert changes["encoder.0.self"][1] == pytest.approx(0, abs=1e-7)
    assert np.abs(changes["encoder.0.self"][[0, 2]]).min() > 1e-6
