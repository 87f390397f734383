"""Models of the library transformers as models of regard."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regard.errors import UsageError, one_line
from regard.exchange.huggingface.layouts.blocks import Block, to_ours
from regard.exchange.huggingface.layouts.parts import part
from regard.exchange.huggingface.layouts.table import LAYOUTS
from regard.exchange.huggingface.their_config import TheirConfig
from regard.exchange.huggingface.vocabularies import read_vocabulary
from regard.inference.generator import Generator
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.training.checkpoint import describe_model
from regard.training.model_folder import PREFIX

EMBEDDING = "embedding.tokens.weight"
GENERATORS: dict[str, type[Generator]] = {"language": LanguageModel, "translation": Translator}
OUTPUT, OUTPUT_BIAS = "decoder.embedding.output.weight", "decoder.embedding.output.bias"

EMBEDDINGS = (
    *("model.embed_tokens.weight", "transformer.wte.weight"),
    *("model.decoder.embed_tokens.weight", "model.shared.weight"),
)
"""Names of the embedding that tied output layers have, in the layouts."""

HEAD, HEAD_BIAS = "lm_head.weight", "lm_head.bias"
COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
"""Names of further copies of the embedding that other programs write."""


def read_folder(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint of the model in a folder of transformers would contain.

    Raises UsageError naming what no model of regard has: a key of config.json and its value, or a tensor.
    """
    config = TheirConfig(folder)
    if (kind := config.get("model_type")) not in LAYOUTS:
        raise config.refused("model_type", kind, " or ".join(LAYOUTS))
    layout = LAYOUTS[kind]()
    options = layout.options(config)
    vocabulary = read_vocabulary(folder, config)
    weights = with_output_layer(read_weights(folder))
    if HEAD in weights:
        options["output"] = part("output.separate", bias=HEAD_BIAS in weights)
    with torch.device("meta"):
        model: Transformer = build(options | their_sizes(config))
    blocks = list(layout.blocks(model))
    require_all_used(folder, blocks, weights, layout.unused)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    try:
        ours = to_ours(blocks, weights, shapes)
    except ValueError as error:
        raise UsageError(f"{folder}: {error}") from error
    if model.encoder is not None:
        source = ours.get(f"encoder.{EMBEDDING}", ours[f"decoder.{EMBEDDING}"])
        ours[f"encoder.{EMBEDDING}"] = in_order(source, vocabulary.source or vocabulary.target)
    for name in (f"decoder.{EMBEDDING}", OUTPUT, OUTPUT_BIAS):
        if name in ours:
            ours[name] = in_order(ours[name], vocabulary.target)
    options |= vocabulary.tokenizers.sizes()
    about = describe_model(layout.task, GENERATORS[layout.task], options, None, vocabulary.tokenizers)
    return {"state_dict": {PREFIX + name: tensor for name, tensor in ours.items()}, "global_step": 0, **about}


def their_sizes(config: TheirConfig) -> dict[str, int | None]:
    """Return the sizes of the vocabularies of a model as they are in the folder."""
    source, target = config.size("vocab_size"), config.size("decoder_vocab_size", "vocab_size")
    shared = config.get("share_encoder_decoder_embeddings", True)
    return {"vocab_size": target, "source_vocab_size": None if shared else source}


def in_order(embedding: Tensor, rows: list[int | None]) -> Tensor:
    """Return the rows of an embedding in another order. A token without a row gets the mean of all rows.

    Its logit is then the mean of all logits, and its probability at most one in the size of the vocabulary.
    """
    mean = embedding.mean(dim=0, keepdim=True)
    return torch.cat([mean, embedding])[[0 if row is None else row + 1 for row in rows]]


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a folder in float32: model.safetensors, or the files that its index names.

    Raises UsageError if the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    names = {"model.safetensors"}
    weights: dict[str, Tensor] = {}
    try:
        if index.is_file():
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        for name in sorted(names):
            weights |= load_file(folder / Path(name).name)
    except OSError as error:
        raise UsageError(
            f"{folder}: model.safetensors cannot be read ({error.strerror or one_line(error)}); older folders are "
            "written anew by save_pretrained of transformers"
        ) from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: damaged weights ({one_line(error)})") from error
    return {name: tensor.float() for name, tensor in weights.items()}


def with_output_layer(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in which ``lm_head`` has those of the output layer, if they are not those of the embedding."""
    bias, head = weights.get("final_logits_bias"), weights.get(HEAD)
    others = {name: tensor for name, tensor in weights.items() if name not in ("final_logits_bias", HEAD)}
    embedding = next((weights[name] for name in EMBEDDINGS if name in weights), None)
    has_bias = bias is not None and bool(bias.any())
    if embedding is None or ((head is None or torch.equal(head, embedding)) and not has_bias):
        return others
    others[HEAD] = embedding if head is None else head
    return others | ({HEAD_BIAS: bias.flatten()} if bias is not None and has_bias else {})


def require_all_used(folder: Path, blocks: list[Block], weights: Mapping[str, Tensor], unused: str) -> None:
    """Raise UsageError for a tensor that no block has, unless it is tied to the embedding or has no effect."""
    used = {piece.name for block in blocks for piece in block.theirs}
    embedding = next(block.theirs[0].name for block in blocks if block.ours == (f"decoder.{EMBEDDING}",))
    for name in sorted(weights.keys() - used):
        is_copy = name in COPIES and torch.equal(weights[name], weights[embedding])
        if not is_copy and not re.fullmatch(unused, name):
            raise UsageError(f"{folder}: the tensor {name} has no place in a model of regard")
