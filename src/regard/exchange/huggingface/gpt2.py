"""GPT-2 (Radford et al. 2019): layer norm, two feed-forward matrices and learned positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from regard.exchange.huggingface.blocks import Block, Piece, layers, same, scaled, transposed
from regard.exchange.huggingface.decoder import tied_embedding
from regard.exchange.huggingface.requirements import (
    require,
    require_biases,
    require_feed_forward,
    require_norm,
    require_positions,
    require_pre_norm,
)
from regard.exchange.layers import Plain
from regard.exchange.uniform import uniform_stack
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class GPT2:
    """See `Layout`. Its matrices are transposed."""

    model_type: ClassVar[str] = "gpt2"
    architecture: ClassVar[str] = "GPT2LMHeadModel"

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """See `Layout`."""
        stack = uniform_stack(plan["decoder"], "model")
        require_positions(stack, "learned")
        require("model.mixer.num_kv_heads", stack.groups, stack.groups == stack.heads, "null")
        require_pre_norm(stack)
        require_biases(model.model, True)
        return {
            "n_embd": model.config["dim"],
            "n_layer": stack.depth,
            "n_head": stack.heads,
            "n_inner": model.config["ffn_dim"],
            "n_positions": model.model.max_length,
            "n_ctx": model.model.max_length,
            "activation_function": require_feed_forward(stack, "gelu", "relu"),
            "layer_norm_epsilon": require_norm(stack, "layer_norm"),
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "tie_word_embeddings": True,
        }

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """See `Layout`."""
        scale = math.sqrt(model.decoder.embedding.dim)
        yield from tied_embedding(model, "transformer.wte", "transformer.ln_f")
        yield same("transformer.wpe.weight", "decoder.embedding.positions.table", scaled(scale))
        attention = ("mixer.attention.query", "mixer.attention.key_value")
        yield from layers(
            model.state_dict(),
            "decoder.layers",
            "transformer.h",
            [
                ("mixer_path.norm", "ln_1"),
                (attention, Piece("attn.c_attn", transposed())),
                ("mixer.attention.output", Piece("attn.c_proj", transposed())),
                ("feed_forward_path.norm", "ln_2"),
                ("feed_forward.0", Piece("mlp.c_fc", transposed())),
                ("feed_forward.2", Piece("mlp.c_proj", transposed())),
            ],
        )
