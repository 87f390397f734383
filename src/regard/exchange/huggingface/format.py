"""The format of the library transformers: a folder that its classes load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import torch

from regard.data.tokenizer.json_processor import is_json
from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.exchange.huggingface.blocks import to_theirs
from regard.exchange.huggingface.fast_tokenizer import fast_tokenizer, not_converted
from regard.exchange.huggingface.gpt2 import GPT2
from regard.exchange.huggingface.layout import Layout
from regard.exchange.huggingface.llama import Llama
from regard.exchange.huggingface.starcoder2 import Starcoder2
from regard.exchange.layers import Plain
from regard.exchange.model import describe_model
from regard.exchange.unsupported import Unsupported
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
        config = {
            "model_type": layout.model_type,
            "architectures": [layout.architecture],
            **layout.config(model, plan),
            "vocab_size": model.tokenizers.target.vocab_size,
            **SPECIAL_IDS,
            "dtype": weights,
        }
        generation = {
            **SPECIAL_IDS,
            "max_length": plan["max_length"],
            "suppress_tokens": [PAD, BOS],  # as in `regard.inference.continuation`
        }
        state = to_theirs(layout.blocks(network), network.state_dict())
        kind = getattr(torch, weights)
        save_file({name: tensor.to(kind) for name, tensor in state.items()}, output / WEIGHTS, {"format": "pt"})
        _write_json(output / "config.json", config)
        _write_json(output / "generation_config.json", generation)
        return {"class": layout.architecture, "tokenizer": write_tokenizer(model, output)}


WEIGHTS = "model.safetensors"
SPECIAL_IDS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}


def choose_layout(plan: Plain) -> Layout:
    """Return the layout that has most in common with a described model. It may still refuse it."""
    if plan["encoder"] is not None:
        raise Unsupported("model.encoder", "TextEncoder", "null")
    layers = plan["decoder"]["layers"]
    if plan["decoder"]["embedding"]["positions"] == "learned":
        return GPT2()
    if layers and (layers[0]["feed_forward"] == "swiglu" or layers[0]["norm"]["kind"] == "rms_norm"):
        return Llama()
    return Starcoder2()


def write_tokenizer(model: LoadedModel, output: Path) -> str:
    """Write the SentencePiece model and, if it can be converted, tokenizer.json, or that of an imported model.

    Return a description.
    """
    tokenizer = model.tokenizers.target
    if is_json(tokenizer.model):
        (output / "tokenizer.json").write_bytes(tokenizer.model)
        written = "tokenizer.json"
    else:
        (output / "tokenizer.model").write_bytes(tokenizer.model)
        if (reason := not_converted(tokenizer.model)) is not None:
            return f"tokenizer.model alone, since it has {reason}"
        fast_tokenizer(tokenizer.model, ends=False).save(str(output / "tokenizer.json"))
        written = "tokenizer.json and tokenizer.model"
    names = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": UNK}
    pieces = tokenizer.pieces(list(names.values()))
    _write_json(
        output / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **dict(zip(names, pieces, strict=True)),
            "add_bos_token": False,  # a prompt may be from any place in a text
            "split_special_tokens": True,  # a text that contains </s> is not special
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.model.max_length,
            "padding_side": "left",
        },
    )
    return written


def _write_json(path: Path, content: Plain) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
