"""What layouts of language models have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator

from regard.exchange.huggingface.blocks import Block, Piece, modules, same, scaled
from regard.exchange.huggingface.requirements import layer_of, require
from regard.exchange.page.layers import Plain
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


def tied_embedding(model: Transformer, embedding: str, norm: str) -> Iterator[Block]:
    """Yield the blocks of the embedding and of the final norm, where input and output embedding are one matrix.

    There, vectors are not multiplied by sqrt(dim) after the embedding, so that the matrix is, and the norm is divided.
    """
    scale = math.sqrt(model.decoder.embedding.dim)
    yield same(f"{embedding}.weight", "decoder.embedding.tokens.weight", scaled(scale))
    yield from modules(model.state_dict(), "decoder.norm", Piece(norm, scaled(1 / scale)))


def rotary_config(model: LoadedModel, plan: Plain) -> Plain:
    """Return the sizes of a decoder with rotary positions, by the names of Llama and of models like it.

    Raises Unsupported for other positions.
    """
    positions, mixer = plan["decoder"]["embedding"]["positions"], layer_of(plan["decoder"])["mixer"]
    base = mixer["rotary_base"]
    require("model.positions", positions, positions == "none" and base is not None, "rotary")
    return {
        "hidden_size": plan["dim"],
        "intermediate_size": model.config["ffn_dim"],
        "num_hidden_layers": len(plan["decoder"]["layers"]),
        "num_attention_heads": mixer["heads"],
        "num_key_value_heads": mixer["groups"],
        "max_position_embeddings": plan["max_length"],
        "rope_theta": base,  # until transformers 4
        "rope_parameters": {"rope_type": "default", "rope_theta": base},
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
    }
