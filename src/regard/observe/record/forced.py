"""What a model attends to as it reads given text: forced passes over batches, sentence by sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch

from regard.data.batching import Batch, Indices, cut_batches, pad
from regard.data.teacher_forcing import pair_batch
from regard.data.tokenizer.specials import PAD
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.translator import Translator
from regard.model.recorder import Recorder
from regard.model.transformer import Transformer
from regard.observe.record.maps import ATTENTION_KINDS, SentenceMaps, split_name

TOKENS_PER_BATCH = 4096
LARGEST_MAP = 1 << 18
"""Weights of one head in a batch of blocks."""


def pair_batches(
    translator: Translator, pairs: Sequence[tuple[str, str]], tokens_per_batch: int = TOKENS_PER_BATCH
) -> tuple[list[Batch], list[int]]:
    """Pairs of sentences as batches of like length, ``rows`` being their numbers; and which were cut to the limit."""
    sources, sources_cut = translator.encode_sources([source for source, _ in pairs])
    targets, targets_cut = translator.encode_targets([target for _, target in pairs])
    lengths = np.array([max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)], dtype=np.int32)
    batches = [
        pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows.tolist())
        for rows in cut_batches(np.argsort(lengths, kind="stable"), lengths, tokens_per_batch)
    ]
    return batches, sorted({*sources_cut, *targets_cut})


def block_batches(blocks: Sequence[Sequence[Indices]], isolate_documents: bool = False) -> list[Batch]:
    """Blocks of text, each its tokens, their targets and the number of their document, as batches in their order.

    With ``isolate_documents`` no token sees those of another document.
    """
    longest = max((len(tokens) for tokens, _, _ in blocks), default=1)
    together = max(1, LARGEST_MAP // longest**2)
    batches = []
    for first in range(0, len(blocks), together):
        chosen = blocks[first : first + together]
        prefix, target, documents = (pad([block[part] for block in chosen]) for part in range(3))
        step_tokens = sum(len(tokens) for tokens, _, _ in chosen)
        rows = [*range(first, first + len(chosen))]
        batches.append(Batch(prefix, target, None, documents if isolate_documents else None, step_tokens, rows))
    return batches


@torch.inference_mode()
def batch_maps(
    model: Transformer,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    batch: Batch,
    kinds: Collection[str] = tuple(ATTENTION_KINDS),
) -> Iterator[tuple[int, SentenceMaps]]:
    """The number of each row of the batch, in their order, and its maps of ``kinds`` without the padding.

    The maps are views of those of the whole batch: look at a row's, then let go of it.
    """
    device, recorder = next(model.parameters()).device, Recorder()
    moved = batch.on(device)
    model(moved.prefix, moved.source, recorder, moved.documents)
    maps = {
        name: weights.float().cpu().numpy() for name, weights in recorder.maps.items() if split_name(name)[0] in kinds
    }
    for place, row in enumerate(batch.rows):
        prefix, target = _real(batch.prefix[place]), _real(batch.target[place])
        read = [] if batch.source is None else _real(batch.source[place])
        sizes = {"encoder.self": (len(read), len(read)), "decoder.self": (len(prefix), len(prefix))}
        sizes["decoder.cross"] = len(prefix), len(read)
        own = {}
        for name, weights in maps.items():
            queries, keys = sizes[split_name(name)[0]]
            own[name] = weights[place, :, :queries, :keys]
        pieces = target_tokenizer.pieces
        yield row, SentenceMaps(source_tokenizer.pieces(read), pieces(prefix), pieces(target), own)


def _real(ids: torch.Tensor) -> list[int]:
    return [token for token in ids.tolist() if token != PAD]
