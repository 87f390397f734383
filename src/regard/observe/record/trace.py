"""What a model does inside as it reads, or writes, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import pad
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.recorder import FullRecorder, Vectors
from regard.model.transformer import Transformer
from regard.observe.record.lens import LogitLens, logit_lens
from regard.observe.record.likelihood import Likelihood, score_target
from regard.observe.record.maps import SentenceMaps


class HeadVectors(NamedTuple):
    """What the weights of a map come from, and what they let through, float32.

    query: "head query head_dim"; key, value: "group key head_dim": a group serves as many heads, in order.
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray


class Trace(NamedTuple):
    """A sentence, what the model made of it (or was made to say), and what it did; a language model has no source.

    vectors: by the names of the maps
    likelihood, lens: of the target, the end included
    """

    source: str
    target: str
    maps: SentenceMaps
    vectors: dict[str, HeadVectors]
    likelihood: Likelihood
    lens: LogitLens


@torch.inference_mode()
def trace_translation(
    translator: Translator, source: str, target: str | None = None, beam_size: int = 1, alpha: float = 1.0
) -> Trace:
    """What encoder and decoder do with ``source`` and ``target``, or the model's own translation.

    It comes from one forced pass over the target, which by causality sees what generation saw.
    A side over the model's limit is cut.
    """
    (source_ids,), _ = translator.encode_sources([source])
    if target is None:
        output = translator.decode(pad([source_ids]).to(translator.device), beam_size, alpha)[0].tokens
        target = translator.target_tokenizer.decode(output)
    else:
        output = translator.target_tokenizer.encode(target)[: translator.model.max_length - 1]
    pieces = translator.source_tokenizer.pieces(source_ids)
    return _record(translator.model, translator.target_tokenizer, (source, target), (source_ids, output), pieces)


@torch.inference_mode()
def trace_text(language_model: LanguageModel, text: str) -> Trace:
    """What a language model does as it reads ``text`` as the begin of a document; cut at the model's limit."""
    tokenizer, model = language_model.tokenizer, language_model.model
    ids = tokenizer.encode(text)[: model.max_length - 1]
    return _record(model, tokenizer, ("", tokenizer.decode(ids)), (None, ids), [])


def _record(
    model: Transformer,
    tokenizer: Tokenizer,
    texts: tuple[str, str],
    ids: tuple[Sequence[int] | None, Sequence[int]],
    source_pieces: list[str],
) -> Trace:
    """Of source (None for a language model) and target ``ids``; ``source_pieces`` spell the source."""
    source, output = ids
    device = next(model.parameters()).device
    recorder = FullRecorder()
    encoder_input = None if source is None else pad([list(source)]).to(device)
    target = [*output, EOS]
    prefix = decoder_prefix(target)
    logits = model(pad([prefix]).to(device), encoder_input, recorder)[0]
    maps = SentenceMaps(
        source=source_pieces,
        prefix=tokenizer.pieces(prefix),
        target=tokenizer.pieces(target),
        maps={name: _array(weights) for name, weights in recorder.maps.items()},
    )
    return Trace(
        *texts,
        maps=maps,
        vectors=_arrays(recorder.vectors),
        likelihood=score_target(logits, target, tokenizer),
        lens=logit_lens(model.decoder, recorder.states, target, tokenizer),
    )


def _arrays(vectors: Mapping[str, Vectors]) -> dict[str, HeadVectors]:
    return {name: HeadVectors(*(_array(tensor) for tensor in each)) for name, each in vectors.items()}


def _array(tensor: Tensor) -> np.ndarray:
    """Of the only sentence of a batch."""
    array: np.ndarray = tensor[0].float().cpu().numpy()
    return array
