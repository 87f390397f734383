"""Attention maps of given text, from teacher-forced passes over batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from regard.data.batching import Batch, Indices, cut_batches, pad
from regard.data.teacher_forcing import forced_batch
from regard.data.tokenizer.specials import PAD
from regard.inference.encoder_decoder import EncoderDecoder
from regard.inference.generator import TextGenerator
from regard.model.recorder import Recorder
from regard.observe.record.maps import ATTENTION_KINDS, SentenceMaps, split_name

TOKENS_PER_BATCH = 4096
WEIGHTS_PER_HEAD = 1 << 18
"""Maximum attention weights of one head in a batch of blocks."""


def pair_batches(
    generator: EncoderDecoder, pairs: Sequence[tuple[Any, str]], tokens_per_batch: int = TOKENS_PER_BATCH
) -> tuple[list[Batch], list[int]]:
    """Return batches of pairs of an input and a target, of similar length, and the indices of the pairs that were cut.

    ``Batch.rows`` has the index of each pair. Pairs are cut to the maximum length of the model.
    """
    source = generator.source
    sources, sources_cut = source.encode([given for given, _ in pairs])
    targets, targets_cut = generator.encode_targets([target for _, target in pairs])
    sizes = [max(source.length(example), len(target)) for example, target in zip(sources, targets, strict=True)]
    lengths = np.array(sizes, dtype=np.int32)
    batches = [
        forced_batch(source.collate([sources[row] for row in rows]), [targets[row] for row in rows], rows.tolist())
        for rows in cut_batches(np.argsort(lengths, kind="stable"), lengths, tokens_per_batch)
    ]
    return batches, sorted({*sources_cut, *targets_cut})


def block_batches(blocks: Sequence[Sequence[Indices]], isolate_documents: bool = False) -> list[Batch]:
    """Return batches of blocks of text, in order. A block is its tokens, their targets and their document numbers.

    With ``isolate_documents``, tokens attend only to tokens of their own document.
    """
    longest = max((len(tokens) for tokens, _, _ in blocks), default=1)
    together = max(1, WEIGHTS_PER_HEAD // longest**2)
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
    generator: TextGenerator, batch: Batch, kinds: Collection[str] = tuple(ATTENTION_KINDS)
) -> Iterator[tuple[int, SentenceMaps]]:
    """Yield the index of each row of the batch, in order, and its maps of ``kinds`` without padding.

    The maps are views of the arrays of the whole batch: a reference to one keeps the whole batch in memory.
    """
    model, pieces, recorder = generator.model, generator.target_tokenizer.pieces, Recorder()
    moved = batch.on(next(model.parameters()).device)
    model(moved.prefix, moved.source, recorder, moved.documents)
    maps = {
        name: weights.float().cpu().numpy() for name, weights in recorder.maps.items() if split_name(name)[0] in kinds
    }
    for place, row in enumerate(batch.rows):
        prefix = _without_padding(batch.prefix[place])
        target = batch.target[place].tolist()[: len(prefix)]  # <pad> where nothing is to be predicted
        reads = generator.source
        source = [] if reads is None or batch.source is None else reads.labels(batch.source[place])
        sizes = {"encoder.self": (len(source), len(source)), "decoder.self": (len(prefix), len(prefix))}
        sizes["decoder.cross"] = len(prefix), len(source)
        own = {}
        for name, weights in maps.items():
            queries, keys = sizes[split_name(name)[0]]
            own[name] = weights[place, :, :queries, :keys]
        grid = None if reads is None else reads.grid
        yield row, SentenceMaps(source, pieces(prefix), pieces(target), own, grid)


def _without_padding(ids: torch.Tensor) -> list[int]:
    return [token for token in ids.tolist() if token != PAD]
