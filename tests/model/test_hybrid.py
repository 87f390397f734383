"""Layers that keep attention, and how parameters of mixers are initialised and updated."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from regard.model.feed_forward import relu
from regard.model.hybrid import Hybrid
from regard.model.mixer import MixerByLayer, MixerFactory, SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import NoPositions, Rotary
from regard.model.residual import PreNorm
from regard.model.state_space.diagonal import DiagonalSSM
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D
from regard.model.transformer import Transformer
from regard.training.parameter_groups import optimizer_of


def language_model(mixer: MixerFactory | MixerByLayer) -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        vocab_size=20, source_vocab_size=None, dim=16, depth=3, num_heads=2, ffn_dim=32, dropout=0.0, max_length=12,
        positions=NoPositions, mixer=mixer, feed_forward=relu, residual=partial(PreNorm, norm=layer_norm), encoder=None,
    )  # fmt: skip


def test_the_named_layers_keep_attention_with_its_rotation() -> None:
    model = language_model(Hybrid(H3, SelfAttention, [1], Rotary))
    mixers = [layer.mixer for layer in model.decoder.layers]
    assert [type(mixer) for mixer in mixers] == [H3, SelfAttention, H3]
    assert isinstance(mixers[1].rotation, Rotary)


@pytest.mark.parametrize("mixer", [S4D, H3, Hybrid(H3, SelfAttention, [2])])
def test_a_model_steps_as_it_reads_the_whole(mixer: MixerFactory | MixerByLayer) -> None:
    model, tokens = language_model(mixer).eval(), torch.randint(4, 20, (3, 12))
    whole, state, steps = model(tokens), model.decoder.start(None, 3), []
    for position in range(12):
        logits, state = model.decoder.step(tokens[:, position], state)
        steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, rtol=0, atol=1e-4)


def test_the_initialisation_of_the_model_leaves_a_mixer_as_it_is() -> None:
    memory = language_model(S4D).decoder.layers[0].mixer.memory
    assert math.log(0.001) <= memory.log_step.min() < memory.log_step.max() <= math.log(0.1)
    torch.testing.assert_close(memory.frequency[3], math.pi * torch.arange(32))
    assert (memory.log_decay.exp() == 0.5).all()


@pytest.mark.parametrize("mixer", [S4D, H3])
def test_time_constants_have_no_weight_decay_and_their_own_learning_rate(mixer: MixerFactory) -> None:
    model = language_model(partial(mixer, max_lr=0.002))
    for lr, expected in ((0.01, 0.002), (0.001, 0.001)):
        optimizer = optimizer_of(model, partial(torch.optim.AdamW, lr=lr, weight_decay=0.1))
        names = {parameter: name for name, parameter in model.named_parameters()}
        settings = {
            names[parameter]: (group["lr"], group["weight_decay"])
            for group in optimizer.param_groups for parameter in group["params"]
        }  # fmt: skip
        assert settings.keys() == set(names.values())
        for name in ("log_step", "log_decay", "frequency"):
            assert settings[f"decoder.layers.0.mixer.memory.{name}"] == (expected, 0.0)
        assert settings["decoder.layers.0.mixer.memory.skip"] == (lr, 0.0)
        assert settings["decoder.layers.0.mixer.output.weight"] == (lr, 0.1)


def test_a_model_with_attention_alone_has_the_two_groups_that_older_checkpoints_have() -> None:
    optimizer = optimizer_of(language_model(SelfAttention), partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


def test_the_kernel_is_the_response_to_one_input() -> None:
    torch.manual_seed(0)
    model = DiagonalSSM(channels=3, state_size=8)
    nn.init.zeros_(model.skip)
    impulse = torch.zeros(1, 3, 50)
    impulse[..., 0] = 1
    torch.testing.assert_close(model(impulse)[0], model.kernels(50)[0], rtol=0, atol=1e-5)
    # By the definition: 2 Re(C exp(dt A)^l (exp(dt A) - 1) / A), in double precision.
    matrix = torch.complex(-model.log_decay.double().exp(), model.frequency.double())
    rate = model.log_step.double().exp()[:, None] * matrix
    terms = torch.view_as_complex(model.readout[0].double()) * (rate.exp() - 1) / matrix
    expected = torch.stack([2 * (terms * (rate * step).exp()).real.sum(dim=-1) for step in range(50)], dim=-1)
    torch.testing.assert_close(model.kernels(50)[0].double(), expected, rtol=0, atol=1e-5)
