"""An image encoder trained from scratch: patches, and layers in which each attends to all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from regard.model.embedding import Embedding
from regard.model.encoders.encoder import Encoded
from regard.model.layer import LayerFactory
from regard.model.recorder import Recorder
from regard.model.stack import Stack

MEAN, DEVIATION = 0.5, 0.25
"""Of the values of a pixel, from 0 to 1, in most images; inputs are normalised with them."""


class PatchEncoder(nn.Module):
    """Patches of an image as a sequence of vectors (Dosovitskiy et al. 2021, section 3.1).

    With ``stem_channels``, convolutions of stride 2 precede the projection of patches (Xiao et al. 2021, Early
    Convolutions Help Transformers See Better). Positions are learned, one vector per patch, starting with sinusoids of
    row and column (He et al. 2022, section 3): small random vectors are lost beside the content of the patches, and
    relations such as "left of" are then learned late.

    embedding: the embedding of the decoder, which gives the dimension of the memory
    layer: makes a layer
    depth: number of layers, at least 1
    image_size: side of the square images, in pixels
    patch_size: side of a patch, in pixels
    stem_channels: channels after each convolution of stride 2; none for a linear projection of patches

    Raises ValueError if the image is not a whole number of patches, a patch is too small for the convolutions, or the
    dimension is not a multiple of 4.
    """

    def __init__(
        self,
        embedding: Embedding,
        layer: LayerFactory,
        depth: int,
        image_size: int,
        patch_size: int,
        stem_channels: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(f"encoder.image_size={image_size} is not a multiple of encoder.patch_size={patch_size}")
        if embedding.dim % 4:
            raise ValueError(f"dim={embedding.dim} is not a multiple of 4, which positions in two dimensions need")
        reduction = 2 ** len(stem_channels)
        if patch_size % reduction:
            raise ValueError(
                f"encoder.patch_size={patch_size} is not a multiple of {reduction}, which is the reduction by "
                f"{len(stem_channels)} convolutions of stride 2 (encoder.stem_channels)"
            )
        self.image_size = image_size
        self.grid = (image_size // patch_size, image_size // patch_size)
        self.stem = _stem(stem_channels)
        stride = patch_size // reduction
        self.patches = nn.Conv2d((3, *stem_channels)[-1], embedding.dim, kernel_size=stride, stride=stride)
        self.positions = nn.Parameter(grid_positions(*self.grid, embedding.dim))
        self.layers = Stack(layer, depth, causal=False, cross=False)
        self.norm = self.layers.final_norm()

    def forward(self, source: UInt8[Tensor, "batch 3 height width"], record: Recorder | None = None) -> Encoded:
        """Encode images of ``image_size``, RGB from 0 to 255. The memory has the patches row by row."""
        pixels = (source.to(self.positions.dtype) / 255 - MEAN) / DEVIATION
        x = self.patches(self.stem(pixels)).flatten(2).transpose(1, 2) + self.positions
        return Encoded(self.norm(self.layers(x, record=record)), x.new_ones(x.shape[:2], dtype=torch.bool))


def grid_positions(rows: int, columns: int, dim: int) -> Float[Tensor, "patches dim"]:
    """Return sinusoids of the row in the first half of the channels, and of the column in the second half.

    As in Vaswani et al. 2017, section 3.5, for each axis. ``dim`` is a multiple of 4.
    """
    frequencies = torch.exp(torch.arange(dim // 4) * (-math.log(100.0) / (dim // 4)))

    def waves(count: int) -> Tensor:
        angles = torch.arange(count)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    down = waves(rows)[:, None].expand(-1, columns, -1)
    across = waves(columns)[None].expand(rows, -1, -1)
    return torch.cat([down, across], dim=-1).flatten(0, 1)


def _stem(channels: Sequence[int]) -> nn.Sequential:
    """Return convolutions that each halve the sides of an image."""
    steps = [
        nn.Sequential(
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False),
            nn.GroupNorm(1, after),
            nn.ReLU(),
        )
        for before, after in zip((3, *channels), channels, strict=False)
    ]
    return nn.Sequential(*steps)
