"""The options of `regard train` for a model that was imported."""

from __future__ import annotations

from typing import Any

from regard.config.flatten import flatten
from regard.exchange.layers import Plain

SIZES = ("dim", "depth", "num_heads", "ffn_dim", "max_length")
OPTIONS = {
    "regard.model.positions.Learned": "positions=learned",
    "regard.model.positions.Sinusoidal": "positions=sinusoidal",
    "regard.model.positions.Rotary": "positions=rotary",
    **{f"regard.model.feed_forward.{name}": f"feed_forward={name}" for name in ("relu", "gelu", "gelu_tanh", "swish")},
    "regard.model.feed_forward.SwiGLU": "feed_forward=swiglu",
    "regard.model.residual.PreNorm": "residual=pre_norm",
    "regard.model.residual.PostNorm": "residual=post_norm",
    "regard.model.norm.layer_norm": "norm=layer_norm",
    "regard.model.norm.rms_norm": "norm=rms_norm",
    "regard.model.output.separate": "output=separate",
}
"""The option of each class that reading a folder may name."""

NOT_IN_CONF = ("model.residual.norm.eps",)
"""Keys of arguments that conf/ does not set."""


def train_options(task: str, model: Plain) -> list[str]:
    """Return the options with which `regard train` makes the model of a configuration, in words of conf/."""
    found = [f"task={task}", *(f"model.{size}={model[size]}" for size in SIZES)]
    values: dict[str, Any] = flatten(model, "model.")
    found += [OPTIONS[value] for key, value in values.items() if key.endswith("_target_") and value in OPTIONS]
    for key, value in values.items():
        is_size = key in ("model.mixer.num_kv_heads", "model.encoder.depth")
        if (is_size and value is not None) or key.endswith((".bias", ".base", ".eps")):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found.append(f"{'+' * (key in NOT_IN_CONF)}{key}={text}")
    return found
