"""A recorded step, replayed, equals a step of the decoder. On a CPU, a replay runs the function again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from regard.inference import replayed_steps
from regard.inference.replayed_steps import STEPS_BEFORE, ReplayedSteps, steps_of
from regard.model.hybrid import Hybrid
from regard.model.mixer import MixerFactory, SelfAttention
from regard.model.positions import Rotary
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D
from regard.model.transformer import Transformer

MakeModel = Callable[..., Transformer]

MIXERS: dict[str, MixerFactory | Hybrid] = {
    "rotary": partial(SelfAttention, rotation=Rotary),
    "groups": partial(SelfAttention, num_kv_heads=1),
    "h3": H3,
    "s4d": S4D,
    "hybrid": Hybrid(H3, SelfAttention, [1], Rotary),
}


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The functions that were recorded."""
    found: list[object] = []

    def record(run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        found.append(run)
        run()  # as on a GPU, where this allocates memory
        return run

    monkeypatch.setattr(replayed_steps, "record", record)
    monkeypatch.setattr(replayed_steps, "SMALLEST_CAPACITY", 4)
    return found


@pytest.mark.parametrize("encoder", [True, False], ids=["translation", "language"])
@pytest.mark.parametrize("mixer", MIXERS)
@torch.inference_mode()
def test_replayed_steps_equal_steps_of_the_decoder(
    mixer: str, encoder: bool, make_model: MakeModel, recordings: list[object]
) -> None:
    """While rows leave, and caches become full."""
    model = make_model(encoder=encoder, mixer=MIXERS[mixer], max_length=40)
    source = torch.tensor([[4, 5, 2, 0, 0], [9, 6, 7, 11, 2], [2, 0, 0, 0, 0], [7, 7, 2, 0, 0]]) if encoder else None
    replayed, torch_seed = ReplayedSteps(model.decoder), torch.manual_seed(0)
    state, other = (model.decoder.start(model.encode(source), rows=4) for _ in range(2))
    tokens, leave = torch.full((4,), 1), {6: [0, 3, 2], 20: [0, 2]}
    for number in range(30):
        expected, state = model.decoder.step(tokens, state)
        found, other = replayed(tokens, other)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert other.length == state.length == number + 1
        if stays := leave.get(number):
            state, other, tokens = state.select(stays), other.select(stays), tokens[stays]
        tokens = torch.randint(1, 13, tokens.shape, generator=torch_seed)
    # After three steps with room for 6 positions, then for 12, 24 and 48; a rotation of the rows records nothing.
    assert len(recordings) == 4


@torch.inference_mode()
def test_a_state_that_is_not_of_the_last_step_is_not_replayed(make_model: MakeModel, recordings: list[object]) -> None:
    """As after a full context, whose last half is read again."""
    decoder = make_model(encoder=False).decoder
    replayed, tokens = ReplayedSteps(decoder), torch.full((2,), 5)
    for beginning in (1, 2):
        prompt = torch.full((2, beginning), 7)
        _, state = decoder.extend_last(prompt, decoder.start(None, rows=2))
        other = decoder.extend_last(prompt, decoder.start(None, rows=2))[1]
        for _ in range(STEPS_BEFORE + 2):
            expected, state = decoder.step(tokens, state)
            found, other = replayed(tokens, other)
            torch.testing.assert_close(found, expected)
    assert len(recordings) == 2


@torch.inference_mode()
def test_more_tokens_than_the_model_reads_are_refused(make_model: MakeModel, recordings: list[object]) -> None:
    decoder = make_model(encoder=False, max_length=11).decoder
    replayed, tokens, state = ReplayedSteps(decoder), torch.full((2,), 5), decoder.start(None, rows=2)
    for _ in range(11):
        _, state = replayed(tokens, state)
    with pytest.raises(ValueError, match="12 tokens: the model reads at most 11"):
        replayed(tokens, state)


@torch.inference_mode()
def test_rows_that_share_caches_are_not_recorded(make_model: MakeModel, recordings: list[object]) -> None:
    decoder = make_model(encoder=False).decoder
    replayed, state = ReplayedSteps(decoder), decoder.start(None, rows=4, sentences=2)
    for _ in range(STEPS_BEFORE + 2):
        _, state = replayed(torch.full((4,), 5), state)
        state = state.reorder(torch.tensor([1, 0, 2, 2]))
    assert not recordings


def test_on_a_cpu_steps_are_those_of_the_decoder(make_model: MakeModel) -> None:
    decoder = make_model(encoder=False).decoder
    assert steps_of(decoder) == decoder.step
