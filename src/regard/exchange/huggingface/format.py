"""The format of the library transformers: a folder that its classes load."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.exchange.huggingface.layouts.blocks import to_theirs
from regard.exchange.huggingface.layouts.table import choose_layout
from regard.exchange.huggingface.tokenizer_files import write_json, write_tokenizer
from regard.exchange.model import describe_model
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel


class HuggingFace:
    """config.json, generation_config.json, model.safetensors and the files of a tokenizer. See `Format`."""

    output: ClassVar[str] = "huggingface"
    is_folder: ClassVar[bool] = True
    weights: ClassVar[tuple[str, ...]] = ("float32", "float16")
    packages: ClassVar[tuple[str, ...]] = ("safetensors", "tokenizers")

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""
        plan = describe_model(model.model)
        choose_layout(plan).config(model, plan)

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> dict[str, object]:
        """See `Format`."""
        from safetensors.torch import save_file

        plan = describe_model(model.model)
        layout, network = choose_layout(plan), model.model
        assert isinstance(network, Transformer)
        special = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
        config = {
            "model_type": layout.model_type,
            "architectures": [layout.architecture],
            "vocab_size": model.tokenizers.target.vocab_size,
            **special,
            **layout.config(model, plan),
            "dtype": weights,
        }
        generation = {**special, "max_length": plan["max_length"]}
        if layout.task == "translation":
            generation |= {"decoder_start_token_id": BOS}
        else:
            generation |= {"suppress_tokens": [PAD, BOS]}  # as in `regard.inference.continuation`
        state = to_theirs(layout.blocks(network), network.state_dict())
        kind = getattr(torch, weights)
        save_file({name: tensor.to(kind) for name, tensor in state.items()}, output / WEIGHTS, {"format": "pt"})
        write_json(output / "config.json", config)
        write_json(output / "generation_config.json", generation)
        return {"class": layout.architecture, "tokenizer": write_tokenizer(model, output)}


WEIGHTS = "model.safetensors"
