"""The contract of mixers: whole sequences, chunks and reordered states agree."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from regard.model.mixer import Mixer, MixerFactory, SelfAttention, State
from regard.model.past import Past
from regard.model.positions import Rotary
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D

BATCH, LENGTH, DIM = 3, 7, 8

# Add every mixer that can continue a sequence here.
MIXERS = {
    "attention": SelfAttention,
    "grouped": partial(SelfAttention, num_kv_heads=1),
    "rotary": partial(SelfAttention, rotation=Rotary),
    "s4d": partial(S4D, state_size=16),
    "h3": partial(H3, state_size=16),
    "h3, heads": partial(H3, state_size=4, head_dim=4, shift_taps=2),
}
every_mixer = pytest.mark.parametrize("mixer", MIXERS.values(), ids=MIXERS.keys())


def make(mixer: MixerFactory) -> tuple[Mixer, Tensor]:
    torch.manual_seed(2)
    return mixer(dim=DIM, num_heads=2, causal=True).eval(), torch.randn(BATCH, LENGTH, DIM)


def continued(mixer: Mixer, x: Tensor, sizes: list[int]) -> tuple[Tensor, State]:
    state, outputs, start = mixer.initial_state(len(x), x), [], 0
    for chunk in x.split(sizes, dim=1):
        output, state = mixer.extend(chunk, state, Past(start))
        outputs.append(output)
        start += chunk.shape[1]
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
        torch.testing.assert_close(after[:, :position], before[:, :position], rtol=1e-6, atol=1e-6)
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
    output, _ = made.extend(rest, picked, Past(4))
    whole = made(torch.cat([x[rows, :4], rest], dim=1), None)
    torch.testing.assert_close(output, whole[:, 4:], rtol=0, atol=1e-5)


@every_mixer
def test_in_mixed_precision_steps_equal_the_whole(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    with torch.autocast("cpu", torch.bfloat16):
        steps, _ = continued(made, x, [1, 2, 4])
        whole = made(x, None)
    assert steps.dtype == whole.dtype == torch.bfloat16
    torch.testing.assert_close(steps, whole, rtol=0, atol=0.02)


@every_mixer
def test_a_model_in_half_precision_steps_as_it_reads_the_whole(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    half, x = cast(nn.Module, made).to(torch.bfloat16), x.to(torch.bfloat16)
    steps, whole = continued(made, x, [1, 2, 4])[0], half(x, None)
    assert steps.dtype == whole.dtype == torch.bfloat16
    torch.testing.assert_close(steps, whole, rtol=0, atol=0.05)


@pytest.mark.parametrize("mixer", [SelfAttention, partial(SelfAttention, rotation=Rotary)], ids=["plain", "rotary"])
def test_keys_and_values_have_the_dtype_of_the_computation(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    with torch.autocast("cpu", torch.bfloat16):
        _, state = continued(made, x, [1, 2, 4])
    assert all(tensor.dtype == torch.bfloat16 for tensor in state)
    assert all(tensor.dtype == torch.bfloat16 for tensor in made.initial_state(2, x.bfloat16()))


@pytest.mark.parametrize("mixer", [S4D, H3])
def test_state_space_models_have_a_state_of_constant_size_in_single_precision(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    with torch.autocast("cpu", torch.bfloat16):
        _, after_one = continued(made, x[:, :1], [1])
        _, after_all = continued(made, x, [1, 2, 4])
    assert [tensor.shape for tensor in after_one] == [tensor.shape for tensor in after_all]
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in after_all)
    assert {tensor.dtype for tensor in after_all} <= {torch.float32, torch.complex64}


@every_mixer
def test_an_initial_state_has_one_row_for_each_sequence(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    assert all(len(tensor) == 2 for tensor in made.initial_state(2, x))


@every_mixer
def test_no_output_depends_on_a_later_input(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    jacobian = torch.autograd.functional.jacobian(lambda x: made(x[None], None)[0].sum(dim=-1), x[0])
    influence = jacobian.abs().sum(dim=-1)  # "output input"
    # The Fourier transform mixes all positions, and leaves rounding errors of zero.
    assert influence.triu(1).max() < 1e-5 * influence.max()
    assert (influence.tril() > 1e-4 * influence.max()).sum() == LENGTH * (LENGTH + 1) / 2


@every_mixer
def test_packed_documents_are_mixed_separately(mixer: MixerFactory) -> None:
    made, x = make(mixer)
    documents = torch.tensor([[0, 0, 0, 1, 1, 2, 2], [3, 4, 4, 4, 4, 4, 4], [5, 5, 5, 5, 5, 5, 5]])
    packed = made(x, documents[:, :, None] == documents[:, None, :])
    for document in range(6):
        row, inside = int((documents == document).any(dim=1).nonzero()), (documents == document).any(dim=0)
        torch.testing.assert_close(packed[row, inside], made(x[row : row + 1, inside], None)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("mixer", [S4D, H3])
@pytest.mark.parametrize("state_size", [2, 64])
def test_the_recurrent_form_of_a_state_space_model_equals_its_convolution(mixer: MixerFactory, state_size: int) -> None:
    torch.manual_seed(0)
    made, x = mixer(dim=16, num_heads=1, causal=True, state_size=state_size).eval(), torch.randn(2, 1024, 16)
    with torch.inference_mode():
        whole = made(x, None)
        torch.testing.assert_close(continued(made, x, [1] * 1024)[0], whole, rtol=0, atol=1e-4)
        torch.testing.assert_close(continued(made, x, [1000, 1, 23])[0], whole, rtol=0, atol=1e-4)
