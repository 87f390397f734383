"""GPT-2 (Radford et al. 2019): layer norm, two feed-forward matrices and learned positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from regard.exchange.huggingface.layouts.blocks import Block, Piece, layers, same, scaled, transposed
from regard.exchange.huggingface.layouts.decoder import ACTIVATIONS, LAYER_NORM_EPS, embedding_blocks, their_activation
from regard.exchange.huggingface.layouts.parts import language_model, part
from regard.exchange.huggingface.layouts.requirements import (
    require,
    require_biases,
    require_norm,
    require_positions,
    require_pre_norm,
)
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.layers import Plain
from regard.exchange.uniform import uniform_stack
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class GPT2:
    """See `Layout`. Its matrices are transposed."""

    model_type: ClassVar[str] = "gpt2"
    architecture: ClassVar[str] = "GPT2LMHeadModel"
    task: ClassVar[str] = "language"
    unused: ClassVar[str] = r".*\.attn\.(bias|masked_bias)"

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
            "activation_function": their_activation(stack),
            "layer_norm_epsilon": require_norm(stack, "layer_norm"),
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "tie_word_embeddings": True,
        }

    def options(self, config: TheirConfig) -> Plain:
        """See `Layout`."""
        config.require("layer_norm_epsilon", LAYER_NORM_EPS)
        config.require("scale_attn_weights", True)
        config.require("scale_attn_by_inverse_layer_idx", False)
        config.require("add_cross_attention", False)
        activation = ACTIVATIONS[config.require("activation_function", "gelu_new", *ACTIVATIONS)]
        dim = config.size("n_embd")
        sizes = {
            "dim": dim,
            "depth": config.size("n_layer"),
            "num_heads": config.size("n_head"),
            "ffn_dim": config.get("n_inner", 4 * dim),
            "max_length": config.size("n_positions"),
        }
        feed_forward = part(f"feed_forward.{activation}", bias=True)
        mixer: dict[str, object] = {"num_kv_heads": None, "bias": True}
        return language_model(sizes, "Learned", mixer, feed_forward, part("norm.layer_norm"))

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """See `Layout`."""
        scale = math.sqrt(model.decoder.embedding.dim)
        yield from embedding_blocks(model, "transformer.wte", "transformer.ln_f")
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
