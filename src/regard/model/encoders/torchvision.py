"""An image encoder that begins with a torchvision model: the last feature map of a CNN, or the patches of a ViT."""

from __future__ import annotations

import difflib
import warnings
from collections import OrderedDict
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
import torchvision
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from regard.errors import UsageError, one_line
from regard.model.embedding import Embedding
from regard.model.encoders.encoder import Encoded
from regard.model.encoders.patches import grid_positions
from regard.model.layer import LayerFactory
from regard.model.recorder import Recorder
from regard.model.stack import Stack

HEADS = ("avgpool", "classifier", "fc")
"""Names of the first part of a torchvision model that does not compute feature maps."""


class TorchvisionEncoder(nn.Module):
    """The features of a torchvision model at each position, projected to the model dimension, and ``depth`` layers.

    Size, mean and deviation of the pixels are those of torchvision's entry of the weights, or of the default entry for
    random weights and for a file. Positions are learned, as in `regard.model.encoders.patches.PatchEncoder`.

    The constructor does not read ``weights``: a checkpoint contains them, and is loaded without the file and without
    network access. A run reads them once, before its first step (`load_pretrained`), so that they also replace what
    `regard.model.transformer.Transformer` has initialised.

    Batch normalisation in a backbone that is not frozen uses the images of one process. With DDP, the statistics for
    evaluation are those of the first process (``+trainer.sync_batchnorm=true`` computes them over all). With FSDP, each
    process has its own: freeze the backbone there, or use one without batch normalisation (a ViT, ConvNeXt).

    embedding: the embedding of the decoder, which gives the dimension of the memory
    layer: makes a layer
    name: of a classification model of torchvision
    depth: number of layers after the backbone; 0 for none
    weights: an entry of torchvision (``DEFAULT``, ``IMAGENET1K_V1``, ...), which is downloaded; the path of a state
        dict; or None for random weights
    freeze: do not train the backbone; it stays in evaluation mode
    image_size: side of the square images, in pixels; None for the size of the entry

    Raises UsageError for an unknown model, a model without a feature map, a size that it cannot process, or a single
    position with batch normalisation that is trained: it would fail for a batch of one image.
    """

    def __init__(
        self,
        embedding: Embedding,
        layer: LayerFactory,
        name: str,
        depth: int,
        weights: str | None = None,
        freeze: bool = False,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.weights, self.freeze = name, weights, freeze
        transforms = _entry(name, weights).transforms()
        self.image_size = image_size or default_image_size(name, weights)
        channels, *grid = _feature_shape(name, self.image_size)
        self.grid = (grid[0], grid[1])
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(transforms.mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(transforms.std)[:, None, None])
        self.backbone = _make_backbone(name, self.image_size).requires_grad_(not freeze)
        if self.grid == (1, 1) and not freeze and any(isinstance(m, _BatchNorm) for m in self.backbone.modules()):
            raise UsageError(
                f"model.encoder.image_size={self.image_size}: {name} reduces the image to one position, where its "
                "batch normalisation cannot be trained; give a larger size, or model.encoder.freeze=true"
            )
        self.feature_norm = nn.LayerNorm(channels)
        self.projection = nn.Linear(channels, embedding.dim)
        self.positions = nn.Parameter(grid_positions(*self.grid, embedding.dim))
        self.layers = Stack(layer, depth, causal=False, cross=False)
        self.norm = self.layers.final_norm()
        self.train()

    def train(self, mode: bool = True) -> TorchvisionEncoder:
        """Set the mode of all parts; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self

    def forward(self, source: UInt8[Tensor, "batch 3 height width"], record: Recorder | None = None) -> Encoded:
        """Encode images of ``image_size``, RGB from 0 to 255. The memory has the positions row by row."""
        features = self.backbone((source.to(self.mean.dtype) / 255 - self.mean) / self.deviation)
        x = self.projection(self.feature_norm(features.flatten(2).transpose(1, 2))) + self.positions
        return Encoded(self.norm(self.layers(x, record=record)), x.new_ones(x.shape[:2], dtype=torch.bool))

    def read_pretrained(self) -> dict[str, Tensor] | None:
        """Return ``weights`` as the state of the backbone, on the CPU; None for random weights.

        Embeddings of positions of a ViT are interpolated if they are for another image size.

        Raises UsageError if the entry cannot be downloaded, or the file cannot be read or does not fit.
        """
        if self.weights is None:
            return None
        state = self._read_entry() if self.weights in get_model_weights(self.name).__members__ else self._read_file()
        with torch.device("meta"):
            backbone = _make_backbone(self.name, self.image_size)
        try:
            if isinstance(backbone, PatchTokens) and "encoder.pos_embedding" in state:
                patch_size = backbone.conv_proj.kernel_size[0]
                state = interpolate_embeddings(self.image_size, patch_size, OrderedDict(state))
            # Not compared by name here: loading also converts the names of earlier versions of torchvision.
            missing = backbone.load_state_dict(state, strict=False, assign=True).missing_keys
        except (RuntimeError, ValueError) as error:
            lines = str(error).splitlines()
            raise self._unusable((lines[1:] or lines)[0].strip()) from error  # the first weight that does not fit
        if missing:
            raise self._unusable(f"it has no {missing[0]}")
        return backbone.state_dict()

    def load_pretrained(self) -> None:
        """Load `read_pretrained` into the backbone. Raises UsageError as it does."""
        state = self.read_pretrained()
        if state is not None:
            self.backbone.load_state_dict(state)

    def _read_entry(self) -> dict[str, Tensor]:
        entry = _entry(self.name, self.weights)
        try:
            return get_model(self.name, weights=entry).state_dict()
        except (OSError, RuntimeError) as error:
            raise UsageError(
                f"model.encoder.weights={self.weights}: {entry.url} cannot be downloaded ({one_line(error)}); download "
                "it where there is network access, and give the path of the file"
            ) from error

    def _read_file(self) -> dict[str, Tensor]:
        if not Path(str(self.weights)).is_file():
            entries = ", ".join(get_model_weights(self.name).__members__)
            raise UsageError(
                f"model.encoder.weights={self.weights}: no such file, and no weights of {self.name} in torchvision; "
                f"expected the path of a state dict, or one of {entries}"
            )
        try:
            state = torch.load(str(self.weights), map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can make the unpickler raise any exception
            raise self._unusable(f"not a readable file of weights: {one_line(error)}") from error
        if not isinstance(state, dict):
            raise self._unusable(f"it contains a {type(state).__name__}")
        return state

    def _unusable(self, reason: str) -> UsageError:
        return UsageError(
            f"model.encoder.weights={self.weights}: expected a state dict of torchvision's {self.name} ({reason})"
        )


class PatchTokens(nn.Module):
    """The patches of a torchvision ViT after its encoder, as a feature map. Names of weights are those of the ViT."""

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.class_token, self.conv_proj, self.encoder = vit.class_token, vit.conv_proj, vit.encoder

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Encode images together with the class token, and leave it out of the result."""
        patches = self.conv_proj(pixels)
        tokens = torch.cat([self.class_token.expand(len(pixels), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        encoded: Tensor = self.encoder(tokens)[:, 1:]
        return encoded.transpose(1, 2).unflatten(2, patches.shape[2:])


def default_image_size(name: str, weights: str | None) -> int:
    """Return the side of the images that torchvision's entry is evaluated with, in pixels.

    Raises UsageError for an unknown model.
    """
    return int(_entry(name, weights).transforms().crop_size[0])


def _entry(name: str, weights: str | None) -> Any:
    """Return the entry ``weights`` of the model, or its default entry if there is no such entry."""
    known = list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or ["resnet18", "vit_b_16"]
        raise UsageError(f"model.encoder.name={name}: torchvision has no such model; did you mean {' or '.join(near)}?")
    entries = get_model_weights(name)
    return entries.__members__.get(weights, entries.DEFAULT)


def _make_backbone(name: str, image_size: int) -> nn.Module:
    """Return a model with random weights up to its last feature map. Names of weights are those of the model."""
    model = get_model(name, weights=None, **({"image_size": image_size} if name.startswith("vit_") else {}))
    if isinstance(model, VisionTransformer):
        return PatchTokens(model)
    parts = OrderedDict(takewhile(lambda part: part[0] not in HEADS, model.named_children()))
    return nn.Sequential(parts)


def _feature_shape(name: str, image_size: int) -> list[int]:
    """Return channels, rows and columns of the last feature map, computed without data.

    Raises UsageError if the model has no such feature map for this size.
    """
    try:
        with torch.device("meta"), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from models that cannot be used
            features = _make_backbone(name, image_size).eval()(torch.empty(1, 3, image_size, image_size))
        _, channels, rows, columns = features.shape
    except Exception as error:  # whatever the code of the model raises for its input
        raise UsageError(
            f"model.encoder.name={name}: no feature map of an image of {image_size} pixels ({one_line(error)}); use "
            "another model or model.encoder.image_size"
        ) from error
    return [channels, rows, columns]
