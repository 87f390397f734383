"""Options of the model: all combine, and each keeps causality, padding invariance, caching and recording."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from regard.model.decoder import document_positions
from regard.model.feed_forward import SwiGLU, gelu, gelu_tanh, swish
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm, rms_norm
from regard.model.output import separate
from regard.model.positions import Learned, NoPositions, Rotary
from regard.model.recorder import Recorder
from regard.model.residual import PostNorm, PreNorm
from regard.model.transformer import Transformer

MakeModel = Callable[..., Transformer]

ROTARY = {"positions": NoPositions, "mixer": partial(SelfAttention, rotation=Rotary)}
OPTIONS: dict[str, dict[str, Any]] = {
    "post-norm": {"residual": partial(PostNorm, norm=layer_norm)},
    "rms norm": {"residual": partial(PreNorm, norm=rms_norm)},
    "learned": {"positions": Learned},
    "rotary": ROTARY,
    "gelu": {"feed_forward": gelu},
    "gelu_tanh": {"feed_forward": gelu_tanh},
    "swish": {"feed_forward": swish},
    "separate output": {"output": partial(separate, bias=True)},
    "swiglu": {"feed_forward": SwiGLU},
    "grouped": {"mixer": partial(SelfAttention, num_kv_heads=1)},
    "all": {
        "residual": partial(PostNorm, norm=rms_norm),
        "positions": NoPositions,
        "mixer": partial(SelfAttention, rotation=Rotary, num_kv_heads=1),
        "feed_forward": SwiGLU,
    },
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())

PREFIX = torch.tensor([[1, 5, 6, 7, 4, 9], [1, 8, 8, 0, 0, 0]])
SOURCE = torch.tensor([[4, 5, 2, 0], [9, 6, 7, 2]])


@every_option
def test_an_option_changes_the_model(make_model: MakeModel, options: dict[str, Any]) -> None:
    assert not torch.allclose(make_model(**options)(PREFIX, SOURCE), make_model()(PREFIX, SOURCE), atol=1e-3)


@every_option
def test_no_position_attends_ahead_or_to_padding(make_model: MakeModel, options: dict[str, Any]) -> None:
    model = make_model(**options)
    together = model(PREFIX, SOURCE)
    for row, (prefix, source) in enumerate(zip(PREFIX, SOURCE, strict=True)):
        for length in range(1, int((prefix != 0).sum()) + 1):
            alone = model(prefix[None, :length], source[source != 0][None])
            torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=1e-5)


@every_option
@pytest.mark.parametrize("encoder", [True, False], ids=["translation", "language"])
def test_cached_equals_uncached(make_model: MakeModel, options: dict[str, Any], encoder: bool) -> None:
    model, source = make_model(encoder=encoder, **options), SOURCE if encoder else None
    state, logits = model.decoder.start(model.encode(source), rows=2), []
    for chunk in PREFIX.split([2, 1, 3], dim=1):
        new, state = model.decoder.extend(chunk, state)
        logits.append(new)
    torch.testing.assert_close(torch.cat(logits, dim=1), model(PREFIX, source), rtol=0, atol=1e-5)


@every_option
def test_recording_does_not_change_the_logits(make_model: MakeModel, options: dict[str, Any]) -> None:
    model, recorder = make_model(**options), Recorder()
    torch.testing.assert_close(model(PREFIX, SOURCE, recorder), model(PREFIX, SOURCE), rtol=0, atol=1e-5)
    assert len(recorder.maps) == 6
    assert all(weights.shape[1] == 2 for weights in recorder.maps.values())


@every_option
def test_every_weight_gets_a_gradient(make_model: MakeModel, options: dict[str, Any]) -> None:
    model = make_model(**options)
    (model(PREFIX, SOURCE) * torch.randn(2, 6, 13)).mean().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_rotary_attention_depends_on_distances_and_not_on_positions(make_model: MakeModel) -> None:
    rotate = Rotary(8)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    near, same_distance, far = (
        (rotate(query, start) @ rotate(key, start - distance).transpose(-2, -1)).item()
        for start, distance in ((5, 2), (105, 2), (105, 50))
    )
    assert near == pytest.approx(same_distance, abs=1e-4)
    assert near != pytest.approx(far, abs=1e-2)
    with pytest.raises(ValueError, match="head_dim must be even, not 5"):
        Rotary(5)


def test_rotary_angles_are_exact_in_half_precision() -> None:
    query = torch.randn(1, 1, 300, 8)
    rotated = Rotary(8).bfloat16()(query.bfloat16())
    torch.testing.assert_close(rotated.float(), Rotary(8)(query), rtol=0.02, atol=0.03)


def test_order_matters_with_rotary_positions(make_model: MakeModel) -> None:
    model = make_model(encoder=False, **ROTARY)
    swapped = PREFIX[:1, [0, 2, 1, 3, 4, 5]]
    assert not torch.allclose(model(swapped)[:, -1], model(PREFIX[:1])[:, -1], atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"positions": Learned}, ROTARY], ids=["sinusoidal", "learned", "rotary"])
def test_packed_documents_have_the_logits_of_separate_documents(make_model: MakeModel, options: dict[str, Any]) -> None:
    model = make_model(encoder=False, **options)
    first, second, third = torch.tensor([[1, 5, 6, 7]]), torch.tensor([[1, 8, 8]]), torch.tensor([[1, 4]])
    packed = torch.cat([first, second, third], dim=1)
    documents = torch.tensor([[0] * 4 + [1] * 3 + [5] * 2])
    alone = torch.cat([model(document) for document in (first, second, third)], dim=1)
    torch.testing.assert_close(model(packed, documents=documents), alone, rtol=0, atol=1e-5)
    assert not torch.allclose(model(packed)[:, 4:], alone[:, 4:], atol=1e-3)  # attends to other documents


def test_positions_within_documents_are_counted_per_row(make_model: MakeModel) -> None:
    documents = torch.tensor([[0, 0, 1, 1, 1, 2], [3, 3, 3, 3, 3, 3], [4, 5, 6, 6, 7, 7]])
    expected = [[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 0, 1]]
    assert document_positions(documents).tolist() == expected
