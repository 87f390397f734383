"""What layouts of language models have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator

from regard.exchange.huggingface.blocks import Block, Piece, modules, same, scaled
from regard.exchange.huggingface.requirements import require_positions
from regard.exchange.layers import Plain
from regard.exchange.uniform import Uniform
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


def tied_embedding(model: Transformer, embedding: str, norm: str) -> Iterator[Block]:
    """Yield the blocks of the embedding and of the final norm, where input and output embedding are one matrix.

    There, vectors are not multiplied by sqrt(dim) after the embedding, so that the matrix is, and the norm is divided.
    """
    scale = math.sqrt(model.decoder.embedding.dim)
    yield same(f"{embedding}.weight", "decoder.embedding.tokens.weight", scaled(scale))
    yield from modules(model.state_dict(), "decoder.norm", Piece(norm, scaled(1 / scale)))


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
