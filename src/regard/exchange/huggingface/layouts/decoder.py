"""What layouts of language models have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator

from regard.exchange.huggingface.layouts.blocks import Block, Piece, modules, same, scaled
from regard.exchange.huggingface.layouts.parts import part
from regard.exchange.huggingface.layouts.requirements import require_feed_forward, require_positions
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.layers import Plain
from regard.exchange.uniform import Uniform
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


def embedding_blocks(model: Transformer, embedding: str, norm: str) -> Iterator[Block]:
    """Yield the blocks of the embedding, of the final norm, and of the output layer if its weights are separate.

    There, vectors are not multiplied by sqrt(dim) after the embedding, so that the matrix is. If it is the output layer
    as well, the norm is divided.
    """
    scale, names = math.sqrt(model.decoder.embedding.dim), model.state_dict()
    yield same(f"{embedding}.weight", "decoder.embedding.tokens.weight", scaled(scale))
    tied = model.decoder.embedding.output is None
    yield from modules(names, "decoder.norm", Piece(norm, scaled(1 / scale if tied else 1.0)))
    yield from modules(names, "decoder.embedding.output", "lm_head")


LAYER_NORM_EPS = 1e-5
"""What `regard.model.norm.layer_norm` adds to the variance."""

ACTIVATIONS = {
    **dict.fromkeys(["gelu_pytorch_tanh", "gelu_new"], "gelu_tanh"),
    "gelu": "gelu",
    "relu": "relu",
    **dict.fromkeys(["silu", "swish"], "swish"),
}
"""Names of activations, and the feed-forward networks of regard that have them."""


def their_activation(stack: Uniform) -> str:
    """Return the name of the activation of a feed-forward network. Raises Unsupported for another kind."""
    found = require_feed_forward(stack, "gelu", "gelu_tanh", "relu", "swish")
    return next(name for name, ours in ACTIVATIONS.items() if ours == found)


def decoder_sizes(config: TheirConfig) -> dict[str, int]:
    """Return the sizes of a model by the names of regard, from those of Llama and of models like it.

    Raises UsageError if a size is missing, or if the heads together have not the size of the model.
    """
    dim, heads = config.size("hidden_size"), config.size("num_attention_heads")
    config.require("head_dim", dim // heads)
    return {
        "dim": dim,
        "depth": config.size("num_hidden_layers"),
        "num_heads": heads,
        "ffn_dim": config.size("intermediate_size"),
        "max_length": config.size("max_position_embeddings"),
    }


def rotary_mixer(config: TheirConfig, bias: bool) -> dict[str, object]:
    """Return the arguments of self-attention with rotary positions. Raises UsageError if their angles are scaled."""
    heads, groups = config.size("num_attention_heads"), config.size("num_key_value_heads", "num_attention_heads")
    return {
        "num_kv_heads": None if groups == heads else groups,
        "bias": bias,
        "rotation": part("positions.Rotary", base=config.rotary_base()),
    }


def rotary_config(model: LoadedModel, stack: Uniform) -> Plain:
    """Return the sizes of a decoder with rotary positions, by the names of Llama and of models like it.

    Raises Unsupported for other positions.
    """
    require_positions(stack, "rotary")
    return {
        "hidden_size": model.config["dim"],
        "intermediate_size": model.config["ffn_dim"],
        "num_hidden_layers": stack.depth,
        "num_attention_heads": stack.heads,
        "num_key_value_heads": stack.groups,
        "max_position_embeddings": model.model.max_length,
        "rope_theta": stack.rotary_base,  # until transformers 4
        "rope_parameters": {"rope_type": "default", "rope_theta": stack.rotary_base},
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
    }
