"""The image encoder: patches in the order of reading, each with a position, and gradients from every pixel."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from regard.model.encoders.patches import PatchEncoder, grid_positions
from regard.model.feed_forward import relu
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import Sinusoidal
from regard.model.recorder import Recorder
from regard.model.residual import PreNorm
from regard.model.transformer import Transformer


def make(**options: Any) -> Any:
    """A model that reads images of 12 by 12 pixels in 3 by 3 patches; options are those of the encoder."""
    arguments = {"depth": 1, "image_size": 12, "patch_size": 4, "stem_channels": [4]} | options
    torch.manual_seed(0)
    return Transformer(
        vocab_size=13, source_vocab_size=None, dim=16, depth=1, num_heads=2, ffn_dim=24, dropout=0.0, max_length=32,
        positions=Sinusoidal, mixer=SelfAttention, feed_forward=relu, residual=partial(PreNorm, norm=layer_norm),
        encoder=partial(PatchEncoder, **arguments),
    ).eval()  # fmt: skip


def images(count: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stem", [[], [4], [4, 6]])
def test_the_memory_is_the_patches(stem: list[int]) -> None:
    model = make(stem_channels=stem)
    encoded = model.encode(images())
    assert encoded.states.shape == (2, 9, 16)
    assert encoded.mask.all()
    assert (model.encoder.image_size, model.encoder.grid) == (12, (3, 3))
    assert model(torch.tensor([[1, 5], [1, 6]]), images()).shape == (2, 2, 13)


def test_patches_are_in_the_order_of_reading() -> None:
    """Without layers between them, a change in one patch of the image changes only that position."""
    encoder = make(stem_channels=[]).encoder
    plain = images(1)
    for patch in range(9):
        changed = plain.clone()
        row, column = divmod(patch, 3)
        changed[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] ^= 255
        before, after = (encoder.patches((x.float() / 255 - 0.5) / 0.25).flatten(2)[0] for x in (plain, changed))
        assert (before != after).any(dim=0).nonzero().flatten().tolist() == [patch]


def test_every_pixel_reaches_every_position() -> None:
    model = make()
    base = model.encode(images(1)).states
    for corner in (0, -1):
        changed = images(1)
        changed[..., corner, corner] ^= 255
        assert ((model.encode(changed).states - base).abs().amax(dim=-1) > 0).all()


def test_equal_patches_differ_by_their_position() -> None:
    states = make(stem_channels=[]).encode(torch.full((1, 3, 12, 12), 90, dtype=torch.uint8)).states[0]
    distances = torch.cdist(states, states) + torch.eye(9) * 9
    assert distances.min() > 0.01


def test_positions_of_a_row_share_one_half_and_of_a_column_the_other() -> None:
    positions = grid_positions(3, 5, 8).view(3, 5, 8)
    assert torch.equal(positions[:, :1, :4].expand(-1, 5, -1), positions[..., :4])
    assert torch.equal(positions[:1, :, 4:].expand(3, -1, -1), positions[..., 4:])
    assert len({tuple(row.tolist()) for row in positions.flatten(0, 1)}) == 15


def test_attention_between_patches_is_recorded() -> None:
    recorder = Recorder()
    make()(torch.tensor([[1, 5, 6]]), images(1), recorder)
    shapes = {name: tuple(weights.shape) for name, weights in recorder.maps.items()}
    assert shapes["encoder.0.self"] == (1, 2, 9, 9)
    assert shapes["decoder.0.cross"] == (1, 2, 3, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 5}, "encoder.image_size=12 is not a multiple of encoder.patch_size=5"),
        ({"stem_channels": [2, 2, 2]}, "encoder.patch_size=4 is not a multiple of 8"),
    ],
)
def test_sizes_that_do_not_fit_are_reported(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)
