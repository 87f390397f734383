"""Configurations of the parts of models of regard."""

from __future__ import annotations

from regard.exchange.layers import Plain


def part(name: str, **arguments: object) -> Plain:
    """Return the configuration of a part of a model, as conf/ writes it."""
    return {"_target_": f"regard.model.{name}", "_partial_": True, **arguments}


def language_model(
    sizes: dict[str, int], positions: str, mixer: dict[str, object], feed_forward: Plain, norm: Plain
) -> Plain:
    """Return the configuration of a language model with pre-norm, without the sizes of its vocabulary.

    sizes: dim, depth, num_heads, ffn_dim and max_length
    """
    return {
        "_target_": "regard.model.transformer.Transformer",
        **sizes,
        "dropout": 0.0,
        "positions": part(f"positions.{positions}"),
        "mixer": part("mixer.SelfAttention", **mixer),
        "feed_forward": feed_forward,
        "residual": part("residual.PreNorm", norm=norm),
        "encoder": None,
    }
