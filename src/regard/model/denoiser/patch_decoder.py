"""The decoder of images: from noisy patches and an encoded prompt to clean patches."""

from jaxtyping import Float
from torch import Tensor, nn

from regard.model.denoiser.time_embedding import TimeEmbedding
from regard.model.encoders.encoder import Encoded
from regard.model.encoders.patches import grid_positions
from regard.model.layer import LayerFactory
from regard.model.linear import ZeroLinear
from regard.model.recorder import Recorder
from regard.model.stack import Stack


class PatchDecoder(nn.Module):
    """A stack of layers in which each patch attends to all patches and to the memory (Peebles and Xie 2023).

    Positions are learned, starting with sinusoids of row and column, as in `regard.model.encoders.patches`. The time
    of the noise is the condition of the layers (``residual=ada_ln_zero``).

    Raises ValueError if the image is not a whole number of patches, or the dimension is not a multiple of 4.
    """

    def __init__(self, dim: int, layer: LayerFactory, depth: int, image_size: int, patch_size: int) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(
                f"model.image_size={image_size} is not a multiple of model.patch_size={patch_size}; change one of them"
            )
        if dim % 4:
            raise ValueError(f"dim={dim} is not a multiple of 4, which positions in two dimensions need")
        self.image_size = image_size
        side = image_size // patch_size
        self.grid = (side, side)
        self.time = TimeEmbedding(dim)
        self.patches = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)
        self.positions = nn.Parameter(grid_positions(side, side, dim))
        self.layers = Stack(layer, depth, causal=False, cross=True, conditioned=True)
        self.norm = self.layers.final_norm()
        self.pixels = ZeroLinear(dim, 3 * patch_size**2)
        self.fold = nn.Fold((image_size, image_size), kernel_size=patch_size, stride=patch_size)

    def forward(
        self,
        noisy: Float[Tensor, "batch 3 height width"],
        time: Float[Tensor, " batch"],
        encoded: Encoded | None,
        record: Recorder | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the predicted clean images."""
        if encoded is None:
            raise TypeError("a denoiser needs an encoded prompt")
        condition = self.time(time)
        x = self.patches(noisy.to(self.positions.dtype)).flatten(2).transpose(1, 2) + self.positions
        memory_mask = encoded.mask[:, None, None]
        x = self.layers(x, None, encoded.states, memory_mask, condition, record)
        clean: Tensor = self.fold(self.pixels(self.norm(x, condition)).transpose(1, 2))
        return clean
