"""Llama (Touvron et al. 2023): RMSNorm, SwiGLU and rotary positions, without biases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from regard.exchange.huggingface.layouts.blocks import Block, Piece, layers, rotated_by_halves
from regard.exchange.huggingface.layouts.decoder import decoder_sizes, embedding_blocks, rotary_config, rotary_mixer
from regard.exchange.huggingface.layouts.parts import language_model, part
from regard.exchange.huggingface.layouts.requirements import (
    head_dim,
    require_biases,
    require_feed_forward,
    require_norm,
    require_pre_norm,
)
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.layers import Plain
from regard.exchange.uniform import uniform_stack
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel

RMS_NORM_EPS = 1e-6
"""The default of `regard.model.norm.rms_norm`."""


class Llama:
    """See `Layout`."""

    model_type: ClassVar[str] = "llama"
    architecture: ClassVar[str] = "LlamaForCausalLM"
    task: ClassVar[str] = "language"
    unused: ClassVar[str] = r".*\.rotary_emb\.inv_freq"

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """See `Layout`."""
        stack = uniform_stack(plan["decoder"], "model")
        require_pre_norm(stack)
        require_feed_forward(stack, "swiglu")
        require_biases(model.model, False)
        return {
            "rms_norm_eps": require_norm(stack, "rms_norm"),
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            **rotary_config(model, stack),
        }

    def options(self, config: TheirConfig) -> Plain:
        """See `Layout`."""
        config.require("hidden_act", "silu")
        config.require("attention_bias", False)
        config.require("mlp_bias", False)
        eps = config.get("rms_norm_eps", RMS_NORM_EPS)
        return language_model(
            decoder_sizes(config),
            "NoPositions",
            rotary_mixer(config, bias=False),
            part("feed_forward.SwiGLU"),
            part("norm.rms_norm", **({} if eps == RMS_NORM_EPS else {"eps": eps})),
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
                ("feed_forward.gate_value", "mlp.gate_proj", "mlp.up_proj"),
                ("feed_forward.output", "mlp.down_proj"),
            ],
        )
