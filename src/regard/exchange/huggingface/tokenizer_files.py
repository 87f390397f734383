"""The files of a tokenizer that transformers loads."""

from __future__ import annotations

import json
from pathlib import Path

from regard.data.tokenizer.json_processor import is_json
from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.exchange.huggingface.fast_tokenizer import fast_tokenizer, not_converted
from regard.exchange.layers import Plain
from regard.exchange.vocabulary import pieces
from regard.training.checkpoint import LoadedModel

NAMES = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": UNK}


def write_tokenizer(model: LoadedModel, folder: Path) -> str:
    """Write the SentencePiece model and, if it can be converted, tokenizer.json. An imported model has its own.

    Sources of translators end with ``</s>``, and separate vocabularies are written as Marian's. Return a description.
    """
    if not model.tokenizers.joint:
        return _write_separate(model, folder)
    tokenizer, ends = model.tokenizers.target, model.model.encoder is not None
    written = "tokenizer.json"
    if is_json(tokenizer.model):
        (folder / "tokenizer.json").write_bytes(tokenizer.model)
    else:
        (folder / "tokenizer.model").write_bytes(tokenizer.model)
        if (reason := not_converted(tokenizer.model)) is not None:
            return f"tokenizer.model alone, since it has {reason}"
        fast_tokenizer(tokenizer.model, ends).save(str(folder / "tokenizer.json"))
        written = "tokenizer.json and tokenizer.model"
    special = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,  # a prompt may be from any place in a text
        "split_special_tokens": True,  # a text that contains </s> is not special
        "padding_side": "right" if ends else "left",
    }
    write_json(folder / "tokenizer_config.json", _settings(model, tokenizer) | special)
    return written


def _write_separate(model: LoadedModel, folder: Path) -> str:
    for side, tokenizer, name in (
        ("source", model.tokenizers.source, "vocab.json"),
        ("target", model.tokenizers.target, "target_vocab.json"),
    ):
        write_json(folder / name, {piece: token for token, piece in enumerate(pieces(tokenizer))})
        (folder / f"{side}.spm").write_bytes(tokenizer.model)
    settings = _settings(model, model.tokenizers.target)
    del settings["bos_token"]  # MarianTokenizer has none
    write_json(
        folder / "tokenizer_config.json", settings | {"tokenizer_class": "MarianTokenizer", "separate_vocabs": True}
    )
    return "source.spm, target.spm and their pieces"


def write_json(path: Path, content: Plain) -> None:
    """Write plain values in several lines."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _settings(model: LoadedModel, tokenizer: Tokenizer) -> Plain:
    names = dict(zip(NAMES, tokenizer.pieces(list(NAMES.values())), strict=True))
    return {**names, "clean_up_tokenization_spaces": False, "model_max_length": model.model.max_length}
