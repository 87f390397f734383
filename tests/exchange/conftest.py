"""Checkpoints of small random models, of which every weight has an effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from regard.data.tokenizer.tokenizer import Tokenizer

    MakeCheckpoint = Callable[..., Path]


def piece(name: str, **arguments: Any) -> dict[str, Any]:
    """The configuration of a part of a model."""
    return {"_target_": f"regard.model.{name}", "_partial_": True, **arguments}


ATTENTION = piece("mixer.SelfAttention", num_kv_heads=None, bias=True)
ROTARY = piece("positions.Rotary", base=10_000.0)
LAYER_NORM = piece("norm.layer_norm")
NO_POSITIONS = piece("positions.NoPositions")


ROTATED = {"positions": NO_POSITIONS, "mixer": ATTENTION | {"rotation": ROTARY}}
LLAMA = ROTATED | {
    "mixer": ATTENTION | {"bias": False, "rotation": ROTARY},
    "feed_forward": piece("feed_forward.SwiGLU"),
    "residual": piece("residual.PreNorm", norm=piece("norm.rms_norm")),
}
GPT2 = {"positions": piece("positions.Learned"), "feed_forward": piece("feed_forward.gelu", bias=True)}
OPTIONS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "llama with groups": LLAMA | {"mixer": LLAMA["mixer"] | {"num_kv_heads": 2}},
    "default": ROTATED,
    "without biases": ROTATED
    | {
        "mixer": ROTATED["mixer"] | {"bias": False, "num_kv_heads": 1},
        "feed_forward": piece("feed_forward.gelu", bias=False),
    },
    "gpt2": GPT2,
    "translator": {},
    "post-norm translator": {"residual": piece("residual.PostNorm", norm=LAYER_NORM)},
    "gpt2 with relu": GPT2 | {"feed_forward": piece("feed_forward.relu", bias=True)},
}
"""Options of models, by name."""


@pytest.fixture
def make_checkpoint(tmp_path: Path, tokenizer: Tokenizer) -> MakeCheckpoint:
    """Writes the checkpoint of a random language model, or of a translator, with some of `OPTIONS` and others."""
    import torch

    from regard.data.tokenizer.tokenizer import Tokenizers
    from regard.inference.language_model import LanguageModel
    from regard.inference.translator import Translator
    from regard.instantiate import build
    from regard.training.checkpoint import describe_model
    from regard.training.checkpoint_io import SafeCheckpointIO

    def make(options: str, translates: bool = False, tokenizers: Tokenizers | None = None, **others: Any) -> Path:
        torch.manual_seed(3)
        tokenizers = tokenizers or Tokenizers(tokenizer, tokenizer)
        encoder = piece("encoders.text.TextEncoder", depth=2) if translates else None
        sizes = {"dim": 24, "depth": 2, "num_heads": 4, "ffn_dim": 20, "dropout": 0.1, "max_length": 40}
        config = {
            "_target_": "regard.model.transformer.Transformer",
            **tokenizers.sizes(),
            **sizes,
            "positions": piece("positions.Sinusoidal"),
            "mixer": ATTENTION,
            "feed_forward": piece("feed_forward.relu", bias=True),
            "residual": piece("residual.PreNorm", norm=LAYER_NORM),
            "encoder": encoder,
            **OPTIONS[options],
            **others,
        }
        model = build(config)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
        generator = Translator if translates else LanguageModel
        about = describe_model("translation" if translates else "language", generator, config, {}, tokenizers)
        state = {f"model.{name}": weight for name, weight in model.state_dict().items()}
        path = tmp_path / "best.ckpt"
        SafeCheckpointIO().save_checkpoint({"state_dict": state, "global_step": 12} | about, path)
        return path

    return make
