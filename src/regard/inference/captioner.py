"""A trained captioning model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from regard.data.sources.image import ImageSource
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.errors import RegardError
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import EmbeddingTable
from regard.model.encoders.encoder import Encoded
from regard.model.transformer import Transformer


class Captioner(EncoderDecoder):
    """A model that describes images. The source is an image."""

    noun: ClassVar[str] = "a captioning model"
    verb: ClassVar[str] = "caption"
    source_option: ClassVar[str | None] = "--image"
    input_noun: ClassVar[str] = "an image"
    input_files: ClassVar[str | None] = "--source-file (paths of images) and --target-file (captions)"
    source: ImageSource

    def make_source(self, model: Transformer, tokenizers: Tokenizers) -> ImageSource:
        """Return a source of the size and the grid of the encoder."""
        encoder: Any = model.encoder
        return ImageSource(encoder.image_size, encoder.grid)

    def output_limits(self, encoded: Encoded) -> Int[Tensor, " batch"]:
        """Return the limit of the model: the length of a caption does not depend on the size of the image."""
        return torch.full(encoded.mask.shape[:1], self.model.max_length, device=encoded.mask.device)

    def read_line(self, line: str, where: str) -> tuple[Any, str]:
        """Return image and caption of ``path TAB caption``."""
        pair = line.split("\t")
        if len(pair) != 2:
            raise RegardError(f"{where}: expected PATH TAB CAPTION, but found {len(pair) - 1} tabs")
        if not Path(pair[0]).is_file():
            raise RegardError(f"{where}: {pair[0]}: no such image file")
        return self.source.read(pair[0]), pair[1]

    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """Return the embedding of the captions: image patches have no vocabulary."""
        return {"target": EmbeddingTable(self.model.decoder.embedding, self.target_tokenizer)}

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""
        return [f"regard caption {run} {example}", f"regard attend {run} --image {example}"]
