"""Fine-tuning: settings that a run takes from the checkpoint ``init_from``, and settings that must agree with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from regard.config.flatten import flatten
from regard.data.tokenizer.tokenizer import Tokenizers
from regard.errors import RegardError, UsageError
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.training.checkpoint import check_weights_fit, read_checkpoint, read_tokenizers

MAY_DIFFER = {
    *("model.dropout", "model.max_length", "model.vocab_size", "model.source_vocab_size"),
    *("model.encoder.weights", "model.encoder.freeze"),
}
"""Keys of the model that may differ from the checkpoint: they do not change the meaning of its weights."""


def take_vocabulary(config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return ``config`` with the tokenizer settings of the checkpoint ``init_from``, and check that the model fits it.

    ``overrides`` are those of the user; they must not contradict the checkpoint.

    Raises:
        RegardError: the checkpoint cannot be read.
        UsageError: a tokenizer override, or an option of the model, contradicts the checkpoint.
    """
    path = Path(config["init_from"])
    content = read_checkpoint(path)
    tokenizers = read_tokenizers(content)
    known = content["regard"].get("tokenizer")
    # A checkpoint of an old version has the vocabulary, but not the settings it was learned with.
    known = config["tokenizer"] | {"vocab_size": tokenizers.target.vocab_size} if known is None else known
    _check_overrides(config["tokenizer"], known, overrides, path)
    _check_model(config["model"], tokenizers, content, path)
    return config | {"tokenizer": known}


def _check_overrides(wanted: dict[str, Any], known: dict[str, Any], overrides: Sequence[str], path: Path) -> None:
    keys = [override.lstrip("+").partition("=")[0] for override in overrides]
    for key in keys:
        group, _, name = key.partition(".")
        if group != "tokenizer":
            continue
        name = name or "kind"
        if wanted.get(name) != known.get(name):
            raise UsageError(
                f"{key}: init_from={path} was trained with tokenizer.{name}={json.dumps(known.get(name))}, and its "
                f"vocabulary is part of the model; leave {key} out"
            )


def _check_model(config: dict[str, Any], tokenizers: Tokenizers, content: dict[str, Any], path: Path) -> None:
    here, there = flatten(config, "model."), flatten(content["regard"]["model"], "model.")
    for key in sorted((here.keys() | there.keys()) - MAY_DIFFER):
        if here.get(key) != there.get(key):
            raise UsageError(
                f"{key}={json.dumps(here.get(key))}: init_from={path} has {key}={json.dumps(there.get(key))}; "
                "use the model options of the run of that checkpoint"
            )
    with torch.device("meta"):
        model: Transformer = build(config | tokenizers.sizes())
    try:
        check_weights_fit(model, content, path)
    except RegardError as error:
        raise UsageError(f"init_from: {error}") from error
