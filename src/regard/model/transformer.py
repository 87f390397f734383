"""The whole model: a decoder, and an encoder if the task has a source."""

from collections.abc import Callable
from functools import partial

from jaxtyping import Int
from torch import Tensor, nn

from regard.model.decoder import Decoder, Output
from regard.model.embedding import Embedding, PositionsFactory
from regard.model.encoders.with_encoder import WithEncoder
from regard.model.layer import FeedForwardFactory, Layer, ResidualFactory
from regard.model.linear import initialise_linear_layers
from regard.model.mixer import MixerByLayer, MixerFactory
from regard.model.output import OutputFactory
from regard.model.recorder import Recorder


class Transformer(WithEncoder):
    """p(next token | prefix, memory) (Vaswani et al. 2017).

    vocab_size: size of the target vocabulary
    source_vocab_size: size of a separate source vocabulary; None to share the vocabulary and embedding of the target
    dim, depth, num_heads, ffn_dim, dropout: ``depth`` is that of the decoder; the encoder has its own
    max_length: largest length of a prefix or source, in tokens
    positions, mixer, feed_forward, residual: make the parts of every layer (partials)
    encoder: makes the encoder from the source embedding and a layer factory (a partial); None for a language model
    output: makes the output layer (a partial); None to tie it to the embedding
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
        encoder: Callable[..., nn.Module] | None,
        output: OutputFactory | None = None,
    ) -> None:
        super().__init__(max_length)
        layer = partial(Layer, dim, num_heads, ffn_dim, dropout, mixer, feed_forward, residual)
        embedding = Embedding(vocab_size, dim, max_length, dropout, positions, output)
        self.encoder = None
        if encoder is not None:
            source = embedding
            if source_vocab_size is not None:
                source = Embedding(source_vocab_size, dim, max_length, dropout, positions)
            self.encoder = encoder(embedding=source, layer=layer)
        self.decoder = Decoder(embedding, layer, depth, cross=encoder is not None)
        initialise_linear_layers(self)

    def forward(
        self,
        prefix: Int[Tensor, "batch target"],
        source: Tensor | None = None,
        record: Recorder | None = None,
        documents: Int[Tensor, "batch target"] | None = None,
        output: Output | None = None,
    ) -> Tensor:
        """Compute the logits of the token after each position of ``prefix``, given the whole source.

        See `regard.model.decoder.Decoder` for ``documents`` and ``output``.
        """
        encoded = self.encode(source, record)
        result: Tensor = self.decoder(prefix, encoded, record and record.under("decoder"), documents, output)
        return result
