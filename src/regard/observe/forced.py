"""What a model attends to as it reads given text: forced passes over batches, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from regard.data.batching import Batch, cut_batches, pad
from regard.data.tokenizer import BOS, PAD, Tokenizer
from regard.model.record import Record
from regard.model.transformer import Transformer
from regard.model.translator import Translator
from regard.observe.maps import SentenceMaps

TOKENS_PER_BATCH = 4096


def pair_batches(
    translator: Translator, pairs: Sequence[tuple[str, str]], tokens_per_batch: int = TOKENS_PER_BATCH
) -> tuple[list[Batch], list[int]]:
    """Pairs of sentences as batches of like length, ``rows`` being their numbers; and which were cut to the limit."""
    sources, sources_cut = translator.source_ids([source for source, _ in pairs])
    targets, targets_cut = translator.target_ids([target for _, target in pairs])
    lengths = np.array([max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)], dtype=np.int32)
    batches = [
        Batch(
            prefix=pad([[BOS, *targets[row][:-1]] for row in rows]),
            target=pad([targets[row] for row in rows]),
            source=pad([sources[row] for row in rows]),
            documents=None,
            step_tokens=sum(len(targets[row]) for row in rows),
            rows=rows.tolist(),
        )
        for rows in cut_batches(np.argsort(lengths, kind="stable"), lengths, tokens_per_batch)
    ]
    return batches, sorted({*sources_cut, *targets_cut})


@torch.inference_mode()
def batch_maps(
    model: Transformer, source_tokenizer: Tokenizer, target_tokenizer: Tokenizer, batch: Batch
) -> Iterator[tuple[int, SentenceMaps]]:
    """The number of each row of the batch, and its maps without the padding."""
    device, record = next(model.parameters()).device, Record()
    source, documents = (None if x is None else x.to(device) for x in (batch.source, batch.documents))
    model(batch.prefix.to(device), source, record, documents)
    maps = {name: weights.float().cpu().numpy() for name, weights in record.maps.items()}
    for place, row in enumerate(batch.rows):
        prefix, target = _real(batch.prefix[place]), _real(batch.target[place])
        read = [] if batch.source is None else _real(batch.source[place])
        sizes = {"encoder.self": (len(read), len(read)), "decoder.self": (len(prefix), len(prefix))}
        sizes["decoder.cross"] = len(prefix), len(read)
        yield (
            row,
            SentenceMaps(
                source=source_tokenizer.pieces(read),
                prefix=target_tokenizer.pieces(prefix),
                target=target_tokenizer.pieces(target),
                maps={name: _cut(weights[place], *sizes[_block(name)]) for name, weights in maps.items()},
            ),
        )


def _real(ids: torch.Tensor) -> list[int]:
    return [token for token in ids.tolist() if token != PAD]


def _block(name: str) -> str:
    stack, _, kind = name.split(".")
    return f"{stack}.{kind}"


def _cut(weights: np.ndarray, queries: int, keys: int) -> np.ndarray:
    return weights[:, :queries, :keys]
