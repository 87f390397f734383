"""Marian (Junczys-Dowmunt et al. 2018) and Pegasus (Zhang et al. 2020): encoder and decoder, sinusoidal positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from regard.data.tokenizer.specials import BOS
from regard.exchange.huggingface.layouts.blocks import Block, Table, layers, modules, same
from regard.exchange.huggingface.layouts.decoder import ACTIVATIONS, LAYER_NORM_EPS, their_activation
from regard.exchange.huggingface.layouts.parts import part
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

SELF: Table = [
    ("mixer.attention.query", "self_attn.q_proj"),
    ("mixer.attention.key_value", "self_attn.k_proj", "self_attn.v_proj"),
    ("mixer.attention.output", "self_attn.out_proj"),
    ("mixer_path.norm", "self_attn_layer_norm"),
    ("feed_forward.0", "fc1"),
    ("feed_forward.2", "fc2"),
    ("feed_forward_path.norm", "final_layer_norm"),
]
CROSS: Table = [
    ("cross.query", "encoder_attn.q_proj"),
    ("cross.key_value", "encoder_attn.k_proj", "encoder_attn.v_proj"),
    ("cross.output", "encoder_attn.out_proj"),
    ("cross_path.norm", "encoder_attn_layer_norm"),
]


class Marian:
    """See `Layout`. It has post-norm, and may have an embedding for each language."""

    model_type: ClassVar[str] = "marian"
    architecture: ClassVar[str] = "MarianMTModel"
    task: ClassVar[str] = "translation"
    unused: ClassVar[str] = r"model\.(en|de)coder\.embed_positions\.weight"
    pre_norm: ClassVar[bool] = False
    separate: ClassVar[bool] = True

    def config(self, model: LoadedModel, plan: Plain) -> Plain:
        """See `Layout`."""
        encoder = uniform_stack(plan["encoder"], "model.encoder")
        decoder = uniform_stack(plan["decoder"], "model")
        require("model.mixer", "encoder and decoder differ", encoder == decoder._replace(depth=encoder.depth), "equal")
        require_positions(decoder, "sinusoidal")
        require("model.mixer.num_kv_heads", decoder.groups, decoder.groups == decoder.heads, "null")
        require_pre_norm(decoder, self.pre_norm)
        require_norm(decoder, "layer_norm", LAYER_NORM_EPS)
        require_biases(model.model, True)
        joint = model.tokenizers.joint
        require("tokenizer.joint", str(joint).lower(), joint or self.separate, "true")
        return {
            "d_model": model.config["dim"],
            "encoder_layers": encoder.depth,
            "decoder_layers": decoder.depth,
            **dict.fromkeys(["encoder_attention_heads", "decoder_attention_heads"], decoder.heads),
            **dict.fromkeys(["encoder_ffn_dim", "decoder_ffn_dim"], model.config["ffn_dim"]),
            "activation_function": their_activation(decoder),
            "max_position_embeddings": model.model.max_length,
            "scale_embedding": True,
            "share_encoder_decoder_embeddings": joint,
            "tie_word_embeddings": True,
            "vocab_size": model.tokenizers.source.vocab_size,
            "decoder_vocab_size": model.tokenizers.target.vocab_size,
            "decoder_start_token_id": BOS,
            "forced_eos_token_id": None,
            **dict.fromkeys(["dropout", "attention_dropout", "activation_dropout"], 0.0),
        }

    def options(self, config: TheirConfig) -> Plain:
        """See `Layout`."""
        config.require("scale_embedding", True)
        config.require("tie_word_embeddings", True)
        activation = ACTIVATIONS[config.require("activation_function", "gelu", *ACTIVATIONS)]
        heads, ffn_dim = config.size("decoder_attention_heads"), config.size("decoder_ffn_dim")
        config.require("encoder_attention_heads", heads)
        config.require("encoder_ffn_dim", ffn_dim)
        kind = "PreNorm" if self.pre_norm else "PostNorm"
        return {
            "_target_": "regard.model.transformer.Transformer",
            "dim": config.size("d_model"),
            "depth": config.size("decoder_layers"),
            "num_heads": heads,
            "ffn_dim": ffn_dim,
            "dropout": 0.0,
            "max_length": config.size("max_position_embeddings"),
            "positions": part("positions.Sinusoidal"),
            "mixer": part("mixer.SelfAttention", num_kv_heads=None, bias=True),
            "feed_forward": part(f"feed_forward.{activation}", bias=True),
            "residual": part(f"residual.{kind}", norm=part("norm.layer_norm")),
            "encoder": part("encoders.text.TextEncoder", depth=config.size("encoder_layers")),
        }

    def blocks(self, model: Transformer) -> Iterator[Block]:
        """See `Layout`."""
        names = model.state_dict()
        ours = "embedding.tokens.weight"
        if getattr(model.encoder, "embedding", None) is model.decoder.embedding:
            yield same("model.shared.weight", f"decoder.{ours}")
        else:
            yield same("model.encoder.embed_tokens.weight", f"encoder.{ours}")
            yield same("model.decoder.embed_tokens.weight", f"decoder.{ours}")
        yield from modules(names, "decoder.embedding.output", "lm_head")
        for side, table in (("encoder", SELF), ("decoder", [*SELF, *CROSS])):
            yield from layers(names, f"{side}.layers", f"model.{side}.layers", table)
            yield from modules(names, f"{side}.norm", f"model.{side}.layer_norm")  # only with pre-norm


class Pegasus(Marian):
    """See `Layout`. It has pre-norm, and one embedding for both languages."""

    model_type: ClassVar[str] = "pegasus"
    architecture: ClassVar[str] = "PegasusForConditionalGeneration"
    pre_norm: ClassVar[bool] = True
    separate: ClassVar[bool] = False
