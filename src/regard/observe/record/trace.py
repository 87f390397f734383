"""The internal values of a model for one sentence: attention maps, kernels, head vectors, likelihoods, logit lens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import pad
from regard.data.images.image import Image, Pixels
from regard.data.teacher_forcing import decoder_prefix
from regard.data.tokenizer.specials import EOS
from regard.inference.generator import ForcedExample, TextGenerator
from regard.model.recorder import FullRecorder, Vectors
from regard.observe.record.lens import LogitLens, logit_lens
from regard.observe.record.likelihood import Likelihood, score_target
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.mixers import OtherMixer, other_mixers


class HeadVectors(NamedTuple):
    """The vectors from which the weights and the output of an attention map are computed, float32.

    query: "head query head_dim"; key, value: "group key head_dim"; consecutive heads share a group
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray


class Trace(NamedTuple):
    """The internal values of a model for a source and a target; the source is empty for a language model.

    target: the output of the model, or the text that the decoder was forced to read
    vectors: by the name of the map
    likelihood, lens: of the target including ``</s>``
    mixers: the mixers of the layers that have no map, by the name of the map
    image: the image that is the source
    """

    source: str
    target: str
    maps: SentenceMaps
    vectors: dict[str, HeadVectors]
    likelihood: Likelihood
    lens: LogitLens
    mixers: dict[str, OtherMixer]
    image: Pixels | None = None


def trace(
    generator: TextGenerator,
    given: Any | None,
    target: str | None = None,
    beam_size: int = 1,
    alpha: float = 1.0,
    mixers: dict[str, OtherMixer] | None = None,
) -> Trace:
    """Return the trace of a model for an input and ``target``, by default the output of the model.

    One teacher-forced pass over the target computes it. By causality, the values equal those of generation. A text
    longer than the maximum length of the model is cut. Kernels have as many distances as the longest input.

    given: the input as `regard.data.sources.source.Source.encode` takes it; None for a model without an encoder, which
        reads ``target`` at the start of a document
    mixers: those of another trace of the same weights, if there is one: kernels are the same for every sentence
    """
    example = generator.forced_example(given, target, beam_size, alpha)
    return trace_example(generator, example, given.pixels if isinstance(given, Image) else None, mixers)


@torch.inference_mode()
def trace_example(
    generator: TextGenerator,
    example: ForcedExample,
    image: Pixels | None = None,
    mixers: dict[str, OtherMixer] | None = None,
) -> Trace:
    """Return the trace of a model for an input and an output of its generator. See `trace`.

    image: the image that is the input
    """
    model, tokenizer, source = generator.model, generator.target_tokenizer, generator.source
    recorder = FullRecorder()
    collated = None if source is None else source.collate([example.source])
    ids = [*example.output, EOS]
    prefix = decoder_prefix(ids)
    device = next(model.parameters()).device
    logits = model(pad([prefix]).to(device), None if collated is None else collated.to(device), recorder)[0]
    maps = SentenceMaps(
        source=[] if source is None or collated is None else source.labels(collated[0]),
        prefix=tokenizer.pieces(prefix),
        target=tokenizer.pieces(ids),
        maps={name: _array(weights) for name, weights in recorder.maps.items()},
        grid=None if source is None else source.grid,
    )
    return Trace(
        example.source_text,
        example.target_text,
        maps=maps,
        vectors=_arrays(recorder.vectors),
        likelihood=score_target(logits, ids, tokenizer),
        lens=logit_lens(model.decoder, recorder.states, ids, tokenizer),
        mixers=other_mixers(model, recorder, max(model.max_length, len(maps.source))) if mixers is None else mixers,
        image=image,
    )


def _arrays(vectors: Mapping[str, Vectors]) -> dict[str, HeadVectors]:
    return {name: HeadVectors(*(_array(tensor) for tensor in each)) for name, each in vectors.items()}


def _array(tensor: Tensor) -> np.ndarray:
    """Return the values of the first sentence of a batch."""
    array: np.ndarray = tensor[0].float().cpu().numpy()
    return array
