"""The contract of mixers: whole sequences, chunks and reordered states agree."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from regard.model.layer import MixerFactory
from regard.model.mixer import Mixer, SelfAttention, State
from regard.model.positions import Rotary

BATCH, LENGTH, DIM = 3, 7, 8

# Add every mixer that can continue a sequence here.
MIXERS = {
    "attention": SelfAttention,
    "grouped": partial(SelfAttention, num_kv_heads=1),
    "rotary": partial(SelfAttention, rotation=Rotary),
}
every_mixer = pytest.mark.parametrize("mixer", MIXERS.values(), ids=MIXERS.keys())


def make(mixer: MixerFactory) -> tuple[Mixer, Tensor]:
    torch.manual_seed(2)
    return mixer(dim=DIM, num_heads=2, causal=True).eval(), torch.randn(BATCH, LENGTH, DIM)


def continued(mixer: Mixer, x: Tensor, sizes: list[int]) -> tuple[Tensor, State]:
    state, outputs = mixer.initial_state(len(x), x), []
    for chunk in x.split(sizes, dim=1):
        output, state = mixer.extend(chunk, state)
        outputs.append(output)
    return torch.cat(outputs, dim=1), state


@every_mixer
@pytest.mark.parametrize("sizes", [[1] * LENGTH, [LENGTH], [3, 4], [1, 2, 4], [5, 1, 1]], ids=str)
def test_step_by_step_equals_the_whole(mixer: MixerFactory, sizes: list[int]) -> None:
    made, x = make(mixer)
    torch.testing.assert_close(continued(made, x, sizes)[0], made(x, None), rtol=0, atol=1e-5)


@every_mixer
def test_a_causal_mixer_does_not_attend_ahead(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    for position in range(LENGTH):
        other = x.clone()
        other[:, position] += 1
        before, after = made(x, None), made(other, None)
        torch.testing.assert_close(after[:, :position], before[:, :position], rtol=0, atol=1e-6)
        assert not torch.allclose(after[:, position], before[:, position])


@every_mixer
@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_nothing(mixer: MixerFactory, causal: bool) -> None:
    torch.manual_seed(2)
    made, x, lengths = mixer(dim=DIM, num_heads=2, causal=causal).eval(), torch.randn(BATCH, LENGTH, DIM), [7, 2, 4]
    together = made(x, torch.arange(LENGTH) < torch.tensor(lengths)[:, None, None])
    for row, length in enumerate(lengths):
        alone = made(x[row : row + 1, :length], None)
        torch.testing.assert_close(together[row : row + 1, :length], alone, rtol=0, atol=1e-5)


@every_mixer
def test_states_are_batch_first_and_can_be_reordered(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    _, state = continued(made, x[:, :4], [4])
    rows = torch.tensor([2, 0, 0, 1, 2])
    picked = tuple(tensor.index_select(0, rows) for tensor in state)
    rest = torch.randn(len(rows), 3, DIM)
    output, _ = made.extend(rest, picked)
    whole = made(torch.cat([x[rows, :4], rest], dim=1), None)
    torch.testing.assert_close(output, whole[:, 4:], rtol=0, atol=1e-5)


@every_mixer
def test_in_mixed_precision_the_state_has_the_computed_dtype(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    with torch.autocast("cpu", torch.bfloat16):
        _, state = continued(made, x, [1, 2, 4])
    assert all(tensor.dtype == torch.bfloat16 for tensor in state)


@every_mixer
def test_an_initial_state_has_the_dtype_of_its_model(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    assert all(tensor.dtype == torch.bfloat16 for tensor in made.initial_state(2, x.bfloat16()))
    assert all(len(tensor) == 2 for tensor in made.initial_state(2, x))
