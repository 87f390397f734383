"""A trained translation model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Int
from torch import Tensor

from regard.data.sources.text import TextSource
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.errors import RegardError
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import EmbeddingTable
from regard.model.encoders.encoder import Encoded
from regard.model.transformer import Transformer


class Translator(EncoderDecoder):
    """A model that translates sentences. The source is text."""

    noun: ClassVar[str] = "a translation model"
    verb: ClassVar[str] = "translate"
    source_option: ClassVar[str | None] = "--source"
    input_noun: ClassVar[str] = "a sentence"
    input_files: ClassVar[str | None] = "--source-file and --target-file"
    source: TextSource

    def make_source(self, model: Transformer, tokenizers: Tokenizers) -> TextSource:
        """See `EncoderDecoder`."""
        return TextSource(tokenizers.source, model.max_length)

    def output_limits(self, encoded: Encoded) -> Int[Tensor, " batch"]:
        """Return ten tokens more than twice the source."""
        return 2 * encoded.mask.sum(dim=-1) + 10

    def read_line(self, line: str, where: str) -> tuple[Any, str]:
        """Return source and target of ``source TAB target``."""
        pair = line.split("\t")
        if len(pair) != 2:
            raise RegardError(f"{where}: expected source TAB target, but found {len(pair) - 1} tabs")
        return pair[0], pair[1]

    def embedding_tables(self) -> Mapping[str, EmbeddingTable]:
        """See `Generator`."""
        encoder: Any = self.model.encoder
        return {
            "source": EmbeddingTable(encoder.embedding, self.source.tokenizer),
            "target": EmbeddingTable(self.model.decoder.embedding, self.target_tokenizer),
        }

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""
        return [
            f"echo {example} | regard translate {run}",
            f"regard attend {run} --source {example}",
            f"regard export {run} --to page --output model.html",
        ]
