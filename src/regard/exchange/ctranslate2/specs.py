"""The layout of CTranslate2: where the weights of a model belong.

Its specifications (`ctranslate2.specs`) have the same options as the layers here. Rotary positions rotate pairs of
adjacent channels in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from ctranslate2.specs import (
    TransformerDecoderModelSpec,
    TransformerDecoderSpec,
    TransformerEncoderSpec,
    TransformerSpec,
)
from ctranslate2.specs.common_spec import Activation
from jaxtyping import Float
from torch import Tensor, nn

from regard.data.tokenizer.specials import BOS, EOS, SPECIAL_PIECES, UNK
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.exchange.model import describe_model
from regard.exchange.uniform import Uniform, uniform_stack
from regard.exchange.vocabulary import pieces
from regard.model.attention import MultiHeadAttention
from regard.model.embedding import Embedding
from regard.model.encoders.text import TextEncoder
from regard.model.feed_forward import SwiGLU
from regard.model.layer import Layer
from regard.model.mixer import SelfAttention
from regard.model.positions import Learned, Sinusoidal
from regard.model.transformer import Transformer
from regard.observe.measure.alignment import Aligner

ACTIVATIONS = {
    "relu": Activation.RELU,
    "gelu": Activation.GELU,
    "gelu_tanh": Activation.GELUTanh,
    **dict.fromkeys(["swish", "swiglu"], Activation.SWISH),
}

Numbers = Float[np.ndarray, "*shape"]


def translator_spec(model: Transformer, tokenizers: Tokenizers, aligner: Aligner | None) -> TransformerSpec:
    """Return the specification of a model with an encoder.

    aligner: the cross-attention that alignments are read from; None for the mean of the heads of the last layer

    Alignments of CTranslate2 are the mean of the first heads of a layer: the heads of that layer are exchanged, so that
    the chosen one is first, which does not change the output.
    """
    described = describe_model(model)
    source = uniform_stack(described["encoder"], "model.encoder")
    target = uniform_stack(described["decoder"], "model")
    encoder = TransformerEncoderSpec(
        source.depth,
        source.heads,
        pre_norm=source.pre_norm,
        activation=ACTIVATIONS[source.feed_forward],
        ffn_glu=source.feed_forward == "swiglu",
        rms_norm=source.norm == "rms_norm",
        num_heads_kv=source.groups,
        **_rotation(source),
    )
    text_encoder = cast(TextEncoder, model.encoder)
    set_embedding(encoder, encoder.embeddings[0], text_encoder.embedding)
    set_layers(encoder, text_encoder.layers)
    if source.pre_norm:
        set_norm(encoder.layer_norm, text_encoder.norm)
    chosen = Aligner(target.depth - 1, None, "written") if aligner is None else aligner
    decoder = decoder_spec(
        model,
        target,
        alignment_layer=chosen.layer,
        alignment_heads=target.heads if chosen.head is None else 1,
        with_encoder_attention=True,
    )
    for spec, module in zip(decoder.layer, model.decoder.layers, strict=True):
        layer: Any = module
        spec.attention.num_heads_kv = np.dtype("int32").type(target.heads)  # groups are those of the self-attention
        set_cross_attention(spec.attention, layer.cross, layer.cross_path.norm)
    if chosen.head is not None:
        put_head_first(decoder.layer[chosen.layer].attention, target.heads, chosen.head)
    result = TransformerSpec(encoder, decoder)
    result.register_source_vocabulary(pieces(tokenizers.source))
    result.register_target_vocabulary(pieces(tokenizers.target))
    configure(result, target, decoder_start_token=SPECIAL_PIECES[BOS], add_source_eos=True)
    return result


def language_model_spec(model: Transformer, tokenizers: Tokenizers) -> TransformerDecoderModelSpec:
    """Return the specification of a model without an encoder."""
    stack = uniform_stack(describe_model(model)["decoder"], "model")
    result = TransformerDecoderModelSpec(decoder_spec(model, stack, with_encoder_attention=False))
    result.register_vocabulary(pieces(tokenizers.target))
    configure(result, stack)
    return result


def configure(spec: Any, stack: Uniform, **settings: object) -> None:
    """Set the configuration of a model: special tokens, norms and other settings."""
    special = {"bos_token": BOS, "eos_token": EOS, "unk_token": UNK}
    settings |= {name: SPECIAL_PIECES[token] for name, token in special.items()}
    for name, value in {**settings, "layer_norm_epsilon": stack.eps}.items():
        setattr(spec.config, name, value)


def save(spec: Any, folder: Path, weights: str) -> None:
    """Write a specification with all its weights to a folder, in a number format."""
    spec.validate()
    spec.optimize(quantization=weights)
    spec.save(str(folder))


def decoder_spec(model: Transformer, stack: Uniform, **options: Any) -> TransformerDecoderSpec:
    """Return the specification of the decoder of a model, its cross-attention left out."""
    decoder = TransformerDecoderSpec(
        stack.depth,
        stack.heads,
        pre_norm=stack.pre_norm,
        activation=ACTIVATIONS[stack.feed_forward],
        ffn_glu=stack.feed_forward == "swiglu",
        rms_norm=stack.norm == "rms_norm",
        num_heads_kv=stack.groups,
        **_rotation(stack),
        **options,
    )
    set_embedding(decoder, decoder.embeddings, model.decoder.embedding)
    set_layers(decoder, model.decoder.layers)
    if stack.pre_norm:
        set_norm(decoder.layer_norm, model.decoder.norm)
    decoder.projection.weight = numbers(model.decoder.embedding.tokens.weight)
    return decoder


def _rotation(stack: Uniform) -> dict[str, Any]:
    return {} if stack.rotary_base is None else {"rotary_dim": 0, "rotary_base": stack.rotary_base}


def set_embedding(spec: Any, embeddings: Any, embedding: Embedding) -> None:
    """Set the embedding of tokens and the vectors of positions of an encoder or decoder."""
    embeddings.weight = numbers(embedding.tokens.weight)
    positions = embedding.positions
    if isinstance(positions, Learned):
        spec.position_encodings.encodings = numbers(positions.table * positions.scale)
    elif isinstance(positions, Sinusoidal):
        spec.position_encodings.encodings = numbers(positions.table)
    elif hasattr(spec, "position_encodings"):  # without a table, CTranslate2 adds sinusoids
        spec.position_encodings.encodings = np.zeros((embedding.max_length, embedding.dim), np.float32)


def set_layers(spec: Any, layers: nn.ModuleList) -> None:
    """Set self-attention and feed-forward network of all layers."""
    for each, module in zip(spec.layer, layers, strict=True):
        layer: Any = cast(Layer, module)
        attention = cast(SelfAttention, layer.mixer).attention
        set_linear(each.self_attention.linear[0], attention.query, attention.key_value)
        set_linear(each.self_attention.linear[1], attention.output)
        set_norm(each.self_attention.layer_norm, layer.mixer_path.norm)
        set_norm(each.ffn.layer_norm, layer.feed_forward_path.norm)
        if isinstance(layer.feed_forward, SwiGLU):
            gate, value = numbers(layer.feed_forward.gate_value.weight).reshape(2, -1, attention.query.in_features)
            each.ffn.linear_0.weight, each.ffn.linear_0_noact.weight = gate, value
            set_linear(each.ffn.linear_1, layer.feed_forward.output)
        else:
            set_linear(each.ffn.linear_0, layer.feed_forward[0])
            set_linear(each.ffn.linear_1, layer.feed_forward[2])


def set_cross_attention(spec: Any, attention: MultiHeadAttention, norm: nn.Module) -> None:
    """Set the attention to the memory."""
    for linear, layer in zip(spec.linear, (attention.query, attention.key_value, attention.output), strict=True):
        set_linear(linear, layer)
    set_norm(spec.layer_norm, norm)


def set_linear(spec: Any, *layers: nn.Linear) -> None:
    """Set a linear layer, or several with the same input as one."""
    spec.weight = np.concatenate([numbers(layer.weight) for layer in layers])
    if layers[0].bias is not None:
        spec.bias = np.concatenate([numbers(layer.bias) for layer in layers])


def set_norm(spec: Any, norm: Any) -> None:
    """Set the weights of a norm."""
    spec.gamma = numbers(norm.weight)
    if hasattr(spec, "beta"):
        spec.beta = numbers(norm.bias)


def put_head_first(spec: Any, heads: int, first: int) -> None:
    """Exchange the heads of a cross-attention so that head ``first`` is the first one."""
    query, key_value, output = spec.linear
    width = output.weight.shape[1] // heads
    order = [first, *(head for head in range(heads) if head != first)]

    def exchanged(rows: Numbers) -> Numbers:  # of queries, or of keys and values
        return rows.reshape(-1, heads, width, *rows.shape[1:])[:, order].reshape(rows.shape)

    for linear in (query, key_value):
        linear.weight, linear.bias = exchanged(linear.weight), exchanged(linear.bias)
    output.weight = np.ascontiguousarray(exchanged(output.weight.T).T)


def numbers(tensor: Tensor) -> Numbers:
    """Return a tensor as an array in float32 and row-major order."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
