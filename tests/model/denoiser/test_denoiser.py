"""The denoiser: patches, the time and the prompt that its output depends on, and padding of the prompt."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from regard.model.denoiser.denoiser import Denoiser
from regard.model.encoders.text import TextEncoder
from regard.model.feed_forward import relu
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import Rotary, Sinusoidal
from regard.model.recorder import Recorder
from regard.model.residual import AdaLNZero, PreNorm


def make_denoiser(image_size: int = 12, patch_size: int = 4, dim: int = 16) -> Denoiser:
    torch.manual_seed(0)
    model = Denoiser(
        vocab_size=13,
        source_vocab_size=None,
        dim=dim,
        depth=2,
        num_heads=2,
        ffn_dim=32,
        dropout=0.0,
        max_length=10,
        positions=Sinusoidal,
        mixer=partial(SelfAttention, rotation=Rotary),
        feed_forward=relu,
        residual=partial(AdaLNZero, norm=layer_norm),
        encoder=partial(TextEncoder, depth=1),
        encoder_residual=partial(PreNorm, norm=layer_norm),
        image_size=image_size,
        patch_size=patch_size,
        pixel_mean=0.5,
        pixel_deviation=0.25,
    ).eval()
    with torch.no_grad():  # gates and the output start at zero
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 3, 12, 12), torch.tensor([0.2, 0.7]), torch.tensor([[5, 6, 7, 3], [8, 3, 0, 0]])


def test_a_model_in_bfloat16_predicts_nearly_the_same() -> None:
    """As in ``trainer.precision=bf16-true``, in which bfloat16 is also the default format of new tensors."""
    images, times, prompts = inputs()
    model = make_denoiser()
    expected, waves = model(images, times, prompts), model.decoder.time(times)
    model.bfloat16()
    torch.set_default_dtype(torch.bfloat16)
    try:
        found, found_waves = model(images, times, prompts), model.decoder.time(times)
    finally:
        torch.set_default_dtype(torch.float32)
    assert (found_waves - waves).norm() < 0.02 * waves.norm()
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_an_untrained_model_predicts_the_mean_of_the_normalised_pixels() -> None:
    model = make_denoiser()
    for parameter in model.decoder.pixels.parameters():
        torch.nn.init.zeros_(parameter)
    assert not model(*inputs()).any()


def test_each_patch_is_placed_where_it_was_read() -> None:
    model = make_denoiser()
    with torch.no_grad():  # an output that is the number of the patch
        model.decoder.norm = Pass()
        model.decoder.layers = Numbers()
        model.decoder.pixels.weight.fill_(0).add_(torch.eye(16)[0])
        model.decoder.pixels.bias.zero_()
    clean = model(*inputs())[0, 0]
    assert clean.unfold(0, 4, 4).unfold(1, 4, 4).flatten(2).unique(dim=-1).flatten().tolist() == [*range(9)]


class Pass(torch.nn.Module):
    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return x


class Numbers(torch.nn.Module):
    def forward(self, x: Tensor, *others: object) -> Tensor:
        return torch.arange(x.shape[1], dtype=x.dtype)[None, :, None].expand_as(x)


@pytest.mark.parametrize("changed", ["noisy", "time", "source"])
def test_a_row_depends_on_its_own_inputs_only(changed: str) -> None:
    model, (noisy, time, source) = make_denoiser(), inputs()
    before = model(noisy, time, source)
    if changed == "noisy":
        noisy[0, 0, 0, 0] += 1  # every patch sees every other: the whole image changes
    elif changed == "time":
        time[0] += 0.01
    else:
        source[0, 0] = 9
    after = model(noisy, time, source)
    assert (before[0] - after[0]).abs().amin() > 0
    torch.testing.assert_close(before[1], after[1])


def test_padding_of_the_prompt_changes_nothing() -> None:
    model, (noisy, time, source) = make_denoiser(), inputs()
    alone = model(noisy[1:], time[1:], source[1:, :2])
    torch.testing.assert_close(model(noisy, time, source)[1:], alone, atol=1e-5, rtol=1e-5)


def test_the_maps_of_all_layers_are_recorded_without_changing_the_output() -> None:
    model, given, recorder = make_denoiser(), inputs(), Recorder()
    torch.testing.assert_close(model(*given, recorder), model(*given), atol=1e-5, rtol=1e-5)
    shapes = {name: tuple(weights.shape) for name, weights in recorder.maps.items()}
    layers = {f"decoder.{n}.{kind}": (2, 2, 9, keys) for n in range(2) for kind, keys in (("self", 9), ("cross", 4))}
    assert shapes == {"encoder.0.self": (2, 2, 4, 4)} | layers
    assert not recorder.maps["decoder.1.cross"][1, :, :, 2:].any()


def test_normalised_images_are_restored() -> None:
    model = make_denoiser()
    images = torch.arange(256, dtype=torch.uint8).repeat(2, 3, 1)[..., None]
    assert model.as_images(model.normalise(images)).equal(images)
    outside = torch.tensor([-9.0, 9.0]).expand(1, 3, 1, 2)
    assert model.as_images(outside)[0, 0].tolist() == [[0, 255]]


def test_an_image_that_is_not_a_whole_number_of_patches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.image_size=14 is not a multiple of model\.patch_size=4"):
        make_denoiser(image_size=14)
