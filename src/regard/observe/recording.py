"""What a model attends to in one sentence."""

from __future__ import annotations

from typing import NamedTuple

import torch

from regard.data.batching import pad
from regard.data.tokenizer import BOS, EOS
from regard.model.language import LanguageModel
from regard.model.record import Record
from regard.model.translator import Translator
from regard.observe.maps import SentenceMaps


class Regarded(NamedTuple):
    """A sentence, what the model made of it (or was made to say), and the maps; a language model has no source."""

    source: str
    target: str
    maps: SentenceMaps


@torch.inference_mode()
def record_attention(
    translator: Translator, source: str, target: str | None = None, beam_size: int = 1, alpha: float = 1.0
) -> Regarded:
    """Every map of encoder and decoder for ``source`` and ``target``, or the model's own translation.

    The maps come from one forced pass over the target, which by causality sees what generation saw.
    A side over the model's limit is cut.
    """
    (source_ids,), _ = translator.source_ids([source])
    encoder_input = pad([source_ids]).to(translator.device)
    if target is None:
        output = translator.decode(encoder_input, beam_size, alpha)[0].tokens
        target = translator.target_tokenizer.decode(output)
    else:
        output = translator.target_tokenizer.encode(target)[: translator.model.max_length - 1]
    record = Record()
    translator.model(pad([[BOS, *output]]).to(translator.device), encoder_input, record)
    pieces = translator.target_tokenizer.pieces
    maps = SentenceMaps(
        source=translator.source_tokenizer.pieces(source_ids),
        prefix=pieces([BOS, *output]),
        target=pieces([*output, EOS]),
        maps={name: weights[0].float().cpu().numpy() for name, weights in record.maps.items()},
    )
    return Regarded(source, target, maps)


@torch.inference_mode()
def record_reading(language_model: LanguageModel, text: str) -> Regarded:
    """Every map of a language model that reads ``text`` as the begin of a document; cut at the model's limit."""
    tokenizer, model = language_model.tokenizer, language_model.model
    ids = tokenizer.encode(text)[: model.max_length - 1]
    record = Record()
    model(pad([[BOS, *ids]]).to(language_model.device), record=record)
    maps = SentenceMaps(
        source=[],
        prefix=tokenizer.pieces([BOS, *ids]),
        target=tokenizer.pieces([*ids, EOS]),
        maps={name: weights[0].float().cpu().numpy() for name, weights in record.maps.items()},
    )
    return Regarded("", tokenizer.decode(ids), maps)
