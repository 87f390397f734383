"""The model and the batch that a configuration trains at one sequence length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.data.corpora.synthetic.synthetic import Synthetic
from regard.data.tokenizer.specials import NUM_SPECIALS
from regard.data.tokenizer.vocabulary import known_vocab_size
from regard.errors import UsageError
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.training.activation_checkpointing import recompute_layers
from regard.training.checkpoint import read_checkpoint, read_tokenizers

ROWS = ("images_per_batch", "examples_per_batch")
"""Keys of ``batches`` that give the number of sequences of a micro-batch. Other tasks have ``tokens_per_batch``."""

UNKNOWN_VOCAB_SIZE = 1000
"""Assumed if the vocabulary depends on a text that has not been read."""


@dataclass(frozen=True)
class Workload:
    """Micro-batches of full sequences, as a configuration would train on them.

    config: a composed configuration whose ``model`` has the sizes of its vocabularies (`with_vocabulary`)
    length: tokens of a target sequence. A source text has the same length; an image has the size that the encoder reads
    rows: sequences of a micro-batch
    """

    config: dict[str, Any]
    length: int
    rows: int

    @property
    def accumulated(self) -> int:
        """Number of micro-batches of an optimizer step of each process."""
        return int(self.config["trainer"]["accumulate_grad_batches"])

    @property
    def step_tokens(self) -> int:
        """Target tokens of an optimizer step of all processes."""
        trainer = self.config["trainer"]
        return self.length * self.rows * self.accumulated * int(trainer["devices"]) * int(trainer["num_nodes"])

    @property
    def one_sequence(self) -> Workload:
        """The same with one sequence in a micro-batch."""
        return replace(self, rows=1)

    def make_model(self) -> Transformer:
        """Build the model on the default device, with positions for ``length`` tokens."""
        settings = self.config["model"]
        model: Transformer = build(settings | {"max_length": max(settings["max_length"], self.length)})
        if self.config["task"].get("activation_checkpointing"):
            recompute_layers(model)
        return model

    def make_batch(self, model: Transformer, device: torch.device) -> Batch:
        """Make a micro-batch of random tokens and random images on ``device``."""
        shape, vocab_size = (self.rows, self.length), self.config["model"]["vocab_size"]
        target = torch.randint(NUM_SPECIALS, vocab_size, shape, device=device)
        isolated = self.config["batches"].get("isolate_documents")
        return Batch(
            prefix=torch.randint(NUM_SPECIALS, vocab_size, shape, device=device),
            target=target,
            source=self._source(model.encoder, device),
            documents=torch.zeros_like(target) if isolated else None,
            step_tokens=target.numel() * self.accumulated,
            rows=list(range(self.rows)),
        )

    def describe_source(self, model: Transformer) -> str | None:
        """Return what a sequence is generated from; None for a language model."""
        if model.encoder is None:
            return None
        size = getattr(model.encoder, "image_size", None)
        return f"an image of {size} x {size} pixels" if size else "a text of the same length"

    def _source(self, encoder: Any, device: torch.device) -> Tensor | None:
        if encoder is None:
            return None
        if size := getattr(encoder, "image_size", None):
            return torch.randint(256, (self.rows, 3, size, size), dtype=torch.uint8, device=device)
        sizes = self.config["model"]
        vocab_size = sizes["source_vocab_size"] or sizes["vocab_size"]
        return torch.randint(NUM_SPECIALS, vocab_size, (self.rows, self.length), device=device)


def workload(config: dict[str, Any], length: int) -> Workload:
    """Return the workload of a configuration for sequences of ``length`` tokens.

    A micro-batch has as many sequences as ``batches`` says: their number, or the number that a budget of tokens allows,
    at least one.

    Raises UsageError for a task whose sequences are the patches of images.
    """
    batches = config["batches"]
    if "patch_size" in config["model"]:
        raise UsageError(
            f"task={config['task']['name']}: drawing images is not supported by this command, since the length of its "
            "sequences is fixed by model.image_size and model.patch_size; use another task="
        )
    rows = next((batches[key] for key in ROWS if key in batches), batches.get("tokens_per_batch", length) // length)
    return Workload(config, length, max(1, rows))


def with_vocabulary(config: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return ``config`` with the vocabulary sizes of its model, and whether they are known without reading a text."""
    if config["init_from"]:
        sizes = read_tokenizers(read_checkpoint(Path(config["init_from"]))).sizes()
        return config | {"model": config["model"] | sizes}, True
    settings = build(config["tokenizer"])
    known = known_vocab_size(settings)
    if known is None and isinstance(corpus := build(config["data"]), Synthetic):
        known = NUM_SPECIALS + len(corpus.alphabet)
    size = known or UNKNOWN_VOCAB_SIZE
    sizes = {"vocab_size": size, "source_vocab_size": None if settings.joint else size}
    return config | {"model": config["model"] | sizes}, known is not None
