"""The internal values of a model for one sentence: attention maps, head vectors, likelihoods, logit lens."""

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
    """The vectors from which the weights and the output of an attention map are computed, float32.

    query: "head query head_dim"; key, value: "group key head_dim"; consecutive heads share a group
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray


class Trace(NamedTuple):
    """The internal values of a model for a source and a target; for a language model, the source is empty.

    target: the output of the model, or the text that the decoder was forced to read
    vectors: by the name of the map
    likelihood, lens: of the target including ``</s>``
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
    """Return the trace of encoder and decoder for ``source`` and ``target`` (by default the model's translation).

    One teacher-forced pass over the target computes it. By causality, the values equal those of generation.
    A text longer than the maximum length of the model is cut.
    """
    (source_ids,), _ = translator.encode_sources([source])
    if target is None:
        output = translator.decode(pad([source_ids]).to(translator.device), beam_size, alpha)[0].tokens
        target = translator.target_tokenizer.decode(output)
    else:
        output = translator.target_tokenizer.encode(target)[: translator.model.max_length - 1]
    pieces = translator.source_tokenizer.pieces(source_ids)
    return _trace(translator.model, translator.target_tokenizer, (source, target), (source_ids, output), pieces)


@torch.inference_mode()
def trace_text(language_model: LanguageModel, text: str) -> Trace:
    """Return the trace of a language model for ``text`` at the start of a document, cut to the maximum length."""
    tokenizer, model = language_model.tokenizer, language_model.model
    ids = tokenizer.encode(text)[: model.max_length - 1]
    return _trace(model, tokenizer, ("", tokenizer.decode(ids)), (None, ids), [])


def _trace(
    model: Transformer,
    tokenizer: Tokenizer,
    texts: tuple[str, str],
    ids: tuple[Sequence[int] | None, Sequence[int]],
    source_pieces: list[str],
) -> Trace:
    """Run the model on the source ``ids`` (None for a language model) and the target ``ids``."""
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
    """Return the values of the first sentence of a batch."""
    array: np.ndarray = tensor[0].float().cpu().numpy()
    return array
