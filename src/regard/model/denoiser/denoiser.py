"""The whole model that draws: an encoder of prompts, and a decoder of images."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from regard.model.denoiser.patch_decoder import PatchDecoder
from regard.model.embedding import Embedding, PositionsFactory
from regard.model.encoders.with_encoder import WithEncoder
from regard.model.layer import FeedForwardFactory, Layer, ResidualFactory
from regard.model.linear import initialise_linear_layers
from regard.model.mixer import MixerByLayer, MixerFactory
from regard.model.recorder import Recorder


class Denoiser(WithEncoder):
    """E[clean image | noisy image, time, prompt]: what rectified flow draws with (Liu et al. 2023).

    The layers of the decoder are those of a `regard.model.transformer.Transformer`, on patches and without a causal
    mask. See there for the arguments in common.

    vocab_size: size of the vocabulary of the prompts; source_vocab_size: not used, there is one vocabulary
    encoder_residual: makes the residual connections of the encoder of prompts, which has no condition
    image_size, patch_size: sides of the square images and of their patches, in pixels
    pixel_mean, pixel_deviation: of the values of a pixel, from 0 to 1; images are normalised with them
    """

    def __init__(
        self,
        vocab_size: int,
        source_vocab_size: int | None,
        dim: int,
        depth: int,
        num_heads: int,
        ffn_dim: int,
        dropout: float,
        max_length: int,
        positions: PositionsFactory,
        mixer: MixerFactory | MixerByLayer,
        feed_forward: FeedForwardFactory,
        residual: ResidualFactory,
        encoder: Callable[..., nn.Module],
        encoder_residual: ResidualFactory,
        image_size: int,
        patch_size: int,
        pixel_mean: float,
        pixel_deviation: float,
    ) -> None:
        super().__init__(max_length)
        self.pixel_mean, self.pixel_deviation = pixel_mean, pixel_deviation
        layer = partial(Layer, dim, num_heads, ffn_dim, dropout, mixer, feed_forward)
        self.embedding = Embedding(vocab_size, dim, max_length, dropout, positions)
        self.encoder = encoder(embedding=self.embedding, layer=partial(layer, encoder_residual))
        self.decoder = PatchDecoder(dim, partial(layer, residual), depth, image_size, patch_size)
        initialise_linear_layers(self)

    def forward(
        self,
        noisy: Float[Tensor, "batch 3 height width"],
        time: Float[Tensor, " batch"],
        source: Int[Tensor, "batch source"],
        record: Recorder | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Predict the clean images of normalised noisy ones at a time from 0 (noise) to 1 (clean), given prompts."""
        clean: Tensor = self.decoder(noisy, time, self.encode(source, record), record and record.under("decoder"))
        return clean

    def normalise(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Return images of values from 0 to 255 as the model reads them."""
        return (images.float() / 255 - self.pixel_mean) / self.pixel_deviation

    def as_images(self, normalised: Float[Tensor, "batch 3 height width"]) -> UInt8[Tensor, "batch 3 height width"]:
        """Reverse `normalise`; values outside the range of a pixel are cut."""
        return (
            (255 * (normalised.float() * self.pixel_deviation + self.pixel_mean)).round().clamp(0, 255).to(torch.uint8)
        )
