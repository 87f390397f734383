"""The rows of the table: what is measured, as overrides of regard's configuration."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

MIXED = {"fp32": "32-true", "bf16": "bf16-mixed"}
"""Precision in training: weights in float32, with autocast to bfloat16 or without."""
TRUE = {"fp32": "32-true", "bf16": "bf16-true"}
"""Precision in inference: of the weights."""


class Row(NamedTuple):
    """A row of the table.

    kind: train (translation), lm (training of a language model), generate or decode (translation)
    overrides: of regard's configuration; peers have the same sizes
    on: the accelerator whose table has the row; any accelerator can run it
    """

    kind: str
    name: str
    overrides: tuple[str, ...]
    on: str = "cpu"


# nanoGPT's layers: learned positions, GELU, no biases and no dropout.
GPT = (
    *("task=language", "positions=learned", "feed_forward=gelu", "model.dropout=0.0"),
    *("model.mixer.bias=false", "model.feed_forward.bias=false"),
)
BYTES = "tokenizer=byte"
SMALL = (*GPT, BYTES, "model=tiny", "model.ffn_dim=512")
MEDIUM = (*GPT, BYTES, "model=nano")


def training(name: str, precision: str, tokens: int, on: str = "cpu") -> Row:
    """Return a row of translation, in batches with a budget of padded tokens."""
    overrides = (f"model={name}", f"batches.tokens_per_batch={tokens}", f"trainer.precision={MIXED[precision]}")
    return Row("train", f"{name}, {tokens:,} tokens, {precision}", ("task=translation", *overrides), on)


def language(name: str, sizes: tuple[str, ...], block: int, rows: int, precision: str, on: str = "cpu") -> Row:
    """Return a row of a language model, in batches of ``rows`` full blocks."""
    batch = (f"model.max_length={block}", f"batches.tokens_per_batch={rows * block}")
    return Row(
        "lm", f"{name}, block {block}, {precision}", (*sizes, *batch, f"trainer.precision={MIXED[precision]}"), on
    )


def generation(batch: int, precision: str) -> Row:
    """Return a row of the continuation of a batch of prompts."""
    sizes = ("model.max_length=512", f"batches.tokens_per_batch={batch * 512}")
    return Row("generate", f"batch {batch}, {precision}", (*MEDIUM, *sizes, f"trainer.precision={TRUE[precision]}"))


def decoding(beam_size: int, precision: str) -> Row:
    """Return a row of greedy or beam search."""
    name = "greedy" if beam_size == 1 else f"beam {beam_size}"
    overrides = (
        "task=translation",
        "model=base",
        f"task.scorer.beam_size={beam_size}",
        "batches.tokens_per_batch=4096",
    )
    return Row("decode", f"base, {name}, {precision}", (*overrides, f"trainer.precision={TRUE[precision]}"))


SIZES = (
    ("4 layers, dim 128", SMALL, 64, 12),
    ("4 layers, dim 128", SMALL, 256, 16),
    ("6 layers, dim 384", MEDIUM, 256, 8),
)
ROWS = (
    *(training(name, precision, 4096) for name, precision in product(("tiny", "base"), MIXED)),
    training("base", "bf16", 25000, on="gpu"),
    *(language(*sizes, precision) for sizes, precision in product(SIZES, MIXED)),
    language("GPT-2", (*GPT, "model=gpt2", "tokenizer.vocab_size=50257"), 1024, 32, "bf16", on="gpu"),
    *(generation(batch, precision) for batch, precision in product((1, 16), TRUE)),
    *(decoding(beam_size, precision) for precision, beam_size in product(TRUE, (1, 5))),
)
KINDS = tuple(dict.fromkeys(row.kind for row in ROWS))
