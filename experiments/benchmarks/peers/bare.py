"""The plainest PyTorch that does the same work: pre-norm layers around fused attention, in a loop."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from peers.loop import training_steps
from torch import Tensor, nn
from work import CONTINUATION, Step, Work

from regard.cost.precision import weights_format
from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD

Cache = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Self-attention with one projection, or cross-attention with two. A cache has room for all keys and values."""

    def __init__(self, dim: int, heads: int, bias: bool, cross: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias) if cross else None
        self.inputs = nn.Linear(dim, (2 if cross else 3) * dim, bias)
        self.output = nn.Linear(dim, dim, bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: Cache | None = None,
        start: int = 0,
    ) -> Tensor:
        if self.query is not None and memory is not None:
            inputs = (self.query(x), *self.inputs(memory).chunk(2, dim=-1))
        else:
            inputs = self.inputs(x).chunk(3, dim=-1)
        query, key, value = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in inputs)
        if cache is not None:
            end = start + x.shape[1]
            for stored, new in zip(cache, (key, value), strict=True):
                stored[:, :, start:end] = new
            key, value = (stored[:, :, :end] for stored in cache)
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal)
        return self.output(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Self-attention, cross-attention if ``cross``, and a feed-forward network."""

    def __init__(self, sizes: dict[str, Any], activation: nn.Module, bias: bool, cross: bool = False) -> None:
        super().__init__()
        dim, heads, self.dropout = sizes["dim"], sizes["num_heads"], sizes["dropout"]
        self.attention, self.attention_norm = Attention(dim, heads, bias), nn.LayerNorm(dim)
        if cross:
            self.cross, self.cross_norm = Attention(dim, heads, bias, cross=True), nn.LayerNorm(dim)
        up, down = nn.Linear(dim, sizes["ffn_dim"], bias), nn.Linear(sizes["ffn_dim"], dim, bias)
        self.feed_forward = nn.Sequential(nn.LayerNorm(dim), up, activation, down)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, memory_mask: Tensor | None = None, **options: Any
    ) -> Tensor:
        x = x + self.drop(self.attention(self.attention_norm(x), **options))
        if memory is not None:
            x = x + self.drop(self.cross(self.cross_norm(x), memory, memory_mask))
        return x + self.drop(self.feed_forward(x))

    def drop(self, x: Tensor) -> Tensor:
        """Dropout, if there is any."""
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Translator(nn.Module):
    """An encoder and a decoder with sinusoidal positions and one embedding for source, target and output."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        dim, depth, self.dropout = sizes["dim"], range(sizes["depth"]), sizes["dropout"]
        self.tokens = nn.Embedding(sizes["vocab_size"], dim)
        nn.init.normal_(self.tokens.weight, std=dim**-0.5)
        angles = torch.arange(sizes["max_length"])[:, None] * torch.exp(
            torch.arange(0, dim, 2) * (-math.log(1e4) / dim)
        )
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], dim=1))
        self.encoder = nn.ModuleList(Layer(sizes, nn.ReLU(), bias=True) for _ in depth)
        self.decoder = nn.ModuleList(Layer(sizes, nn.ReLU(), bias=True, cross=True) for _ in depth)
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, source: Tensor, prefix: Tensor) -> Tensor:
        mask = (source != PAD)[:, None, None]
        memory, x = self.embed(source), self.embed(prefix)
        for layer in self.encoder:
            memory = layer(memory, mask=mask)
        memory = self.encoder_norm(memory)
        for layer in self.decoder:
            x = layer(x, memory, mask, causal=True)
        return F.linear(self.decoder_norm(x), self.tokens.weight)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embed tokens at their positions."""
        x = self.tokens(tokens) * math.sqrt(self.tokens.embedding_dim) + self.positions[: tokens.shape[1]]
        return F.dropout(x, self.dropout, self.training)


class Language(nn.Module):
    """A decoder with learned positions, whose embedding is its output layer too."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        self.sizes, dim = sizes, sizes["dim"]
        self.tokens, self.positions = nn.Embedding(sizes["vocab_size"], dim), nn.Embedding(sizes["max_length"], dim)
        self.layers = nn.ModuleList(Layer(sizes, nn.GELU(), bias=False) for _ in range(sizes["depth"]))
        self.norm = nn.LayerNorm(dim)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.hidden(tokens), self.tokens.weight)

    def hidden(self, tokens: Tensor, caches: list[Cache | None] | None = None, start: int = 0) -> Tensor:
        """The output of the last layer for tokens whose first one is at position ``start``."""
        x = self.tokens(tokens) + self.positions.weight[start : start + tokens.shape[1]]
        for layer, cache in zip(self.layers, caches or [None] * len(self.layers), strict=True):
            x = layer(x, causal=tokens.shape[1] > 1, cache=cache, start=start)
        return self.norm(x)

    @torch.inference_mode()
    def generate(self, prompts: Tensor, count: int) -> list[Tensor]:
        """Continue prompts with the most likely tokens."""
        shape = (len(prompts), self.sizes["num_heads"], prompts.shape[1] + count, -1)
        empty = self.tokens.weight.new_empty(shape[0], shape[2], self.sizes["dim"])
        caches: list[Cache | None] = [
            (empty.clone().view(*shape), empty.clone().view(*shape)) for _ in range(len(self.layers))
        ]
        written, tokens, start = [], prompts, 0
        for _ in range(count):
            last = self.hidden(tokens, caches, start)[:, -1]
            start += tokens.shape[1]
            tokens = F.linear(last, self.tokens.weight).argmax(dim=-1, keepdim=True)
            written.append(tokens)
        return written


def train(work: Work, compiled: bool = False) -> Step:
    """Train the translator on regard's batches."""
    model = Translator(work.model).to(work.device)
    if compiled:
        model.compile(dynamic=True)
    smoothing = work.config["task"]["objective"]["label_smoothing"]

    def loss(batch: Batch) -> Tensor:
        logits = model(batch.source, batch.prefix)
        return F.cross_entropy(
            logits.flatten(0, 1), batch.target.flatten(), ignore_index=PAD, label_smoothing=smoothing
        )

    return training_steps(model, work, work.batches, loss, lambda batch: batch.step_tokens)


def lm(work: Work, compiled: bool = False) -> Step:
    """Train the language model on regard's batches."""
    model = Language(work.model).to(work.device)
    if compiled:
        model.compile()

    def loss(batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch.prefix).flatten(0, 1), batch.target.flatten())

    return training_steps(model, work, work.batches, loss, lambda batch: batch.step_tokens)


def generate(work: Work) -> Step:
    """Continue prompts with the most likely tokens."""
    prompts, model = work.prompts, Language(work.model).to(work.device, weights_format(work.precision)).eval()
    assert prompts is not None
    return lambda number: len(prompts) * len(model.generate(prompts, CONTINUATION))
