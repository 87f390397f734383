"""Starcoder2 (Lozhkov et al. 2024): layer norm, two feed-forward matrices and rotary positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from regard.exchange.huggingface.layouts.blocks import Block, Piece, layers, rotated_by_halves
from regard.exchange.huggingface.layouts.decoder import (
    ACTIVATIONS,
    LAYER_NORM_EPS,
    decoder_sizes,
    embedding_blocks,
    rotary_config,
    rotary_mixer,
    their_activation,
)
from regard.exchange.huggingface.layouts.parts import language_model, part
from regard.exchange.huggingface.layouts.requirements import (
    has_biases,
    head_dim,
    require_biases,
    require_norm,
    require_pre_norm,
)
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.layers import Plain
from regard.exchange.uniform import uniform_stack
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class Starcoder2:
    """See `Layout`."""

    model_type: ClassVar[str] = "starcoder2"
    architecture: ClassVar[str] = "Starcoder2ForCausalLM"
    task: ClassVar[str] = "language"
    unused: ClassVar[str] = r".*\.rotary_emb\.inv_freq"

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """See `Layout`."""
        stack = uniform_stack(plan["decoder"], "model")
        require_pre_norm(stack)
        biases = has_biases(model.model)
        require_biases(model.model, biases)
        return {
            "norm_epsilon": require_norm(stack, "layer_norm"),
            "hidden_act": their_activation(stack),
            "use_bias": biases,
            "sliding_window": None,
            "residual_dropout": 0.0,
            "embedding_dropout": 0.0,
            **rotary_config(model, stack),
        }

    def options(self, config: TheirConfig) -> Plain:
        """See `Layout`."""
        sizes, bias = decoder_sizes(config), bool(config.get("use_bias", True))
        if (window := config.get("sliding_window", sizes["max_length"])) < sizes["max_length"]:
            raise config.refused("sliding_window", window, "null")
        config.require("norm_epsilon", LAYER_NORM_EPS)
        activation = ACTIVATIONS[config.require("hidden_act", "gelu_pytorch_tanh", *ACTIVATIONS)]
        return language_model(
            sizes,
            "NoPositions",
            rotary_mixer(config, bias),
            part(f"feed_forward.{activation}", bias=bias),
            part("norm.layer_norm"),
        )

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """See `Layout`."""
        rotated = rotated_by_halves(head_dim(model))
        yield from embedding_blocks(model, "model.embed_tokens", "model.norm")
        yield from layers(
            model.state_dict(),
            "decoder.layers",
            "model.layers",
            [
                ("mixer_path.norm", "input_layernorm"),
                ("mixer.attention.query", Piece("self_attn.q_proj", rotated)),
                ("mixer.attention.key_value", Piece("self_attn.k_proj", rotated), "self_attn.v_proj"),
                ("mixer.attention.output", "self_attn.o_proj"),
                ("feed_forward_path.norm", "post_attention_layernorm"),
                ("feed_forward.0", "mlp.c_fc"),
                ("feed_forward.2", "mlp.c_proj"),
            ],
        )
