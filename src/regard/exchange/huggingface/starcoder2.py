"""Starcoder2 (Lozhkov et al. 2024): layer norm, two feed-forward matrices and rotary positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from regard.exchange.huggingface.blocks import Block, Piece, layers, rotated_by_halves
from regard.exchange.huggingface.decoder import rotary_config, tied_embedding
from regard.exchange.huggingface.requirements import (
    has_biases,
    head_dim,
    require_biases,
    require_feed_forward,
    require_norm,
    require_pre_norm,
)
from regard.exchange.layers import Plain
from regard.exchange.uniform import uniform_stack
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class Starcoder2:
    """See `Layout`."""

    model_type: ClassVar[str] = "starcoder2"
    architecture: ClassVar[str] = "Starcoder2ForCausalLM"

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """See `Layout`."""
        stack = uniform_stack(plan["decoder"], "model")
        require_pre_norm(stack)
        biases = has_biases(model.model)
        require_biases(model.model, biases)
        return {
            "norm_epsilon": require_norm(stack, "layer_norm"),
            "hidden_act": require_feed_forward(stack, "gelu", "relu"),
            "use_bias": biases,
            "sliding_window": None,
            "residual_dropout": 0.0,
            "embedding_dropout": 0.0,
            **rotary_config(model, stack),
        }

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """See `Layout`."""
        rotated = rotated_by_halves(head_dim(model))
        yield from tied_embedding(model, "model.embed_tokens", "model.norm")
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
