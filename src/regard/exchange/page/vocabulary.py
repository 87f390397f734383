"""A SentencePiece model as plain values, which the JavaScript of a page encodes and decodes with."""

from __future__ import annotations

import base64

import numpy as np
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.exchange.layers import Plain
from regard.exchange.unsupported import Unsupported
from regard.exchange.vocabulary import sentencepiece_model

KINDS = {proto.TrainerSpec.BPE: "bpe", proto.TrainerSpec.UNIGRAM: "unigram", proto.TrainerSpec.CHAR: "char"}
EXPECTED = "BPE, unigram or characters, with the space at the start of a piece, and output as it is"


def describe_tokenizer(tokenizer: Tokenizer) -> Plain:
    """Return pieces, scores and settings of a tokenizer.

    ``types`` has a digit for each piece, its type in ``sentencepiece_model.proto`` (1 for a normal one); scores are in
    the fewest digits that give the same float32.

    Raises Unsupported for a SentencePiece model of words, and for settings that only models of other programs have.
    """
    model = sentencepiece_model(tokenizer)
    settings, trained = model.normalizer_spec, model.trainer_spec
    if trained.model_type not in KINDS:
        raise Unsupported("tokenizer.model", "a vocabulary of words", EXPECTED)
    if trained.treat_whitespace_as_suffix:
        raise Unsupported("tokenizer.model", "pieces that end with a space", EXPECTED)
    if model.denormalizer_spec.precompiled_charsmap:
        raise Unsupported("tokenizer.model", "replacements in its output", EXPECTED)
    return {
        "kind": KINDS[trained.model_type],
        "pieces": [piece.piece for piece in model.pieces],
        "types": "".join(str(piece.type) for piece in model.pieces),
        "scores": [float(str(np.float32(piece.score))) for piece in model.pieces],
        "byte_fallback": trained.byte_fallback,
        "add_dummy_prefix": settings.add_dummy_prefix,
        "remove_extra_whitespaces": settings.remove_extra_whitespaces,
        "escape_whitespaces": settings.escape_whitespaces,
        "character_map": base64.b64encode(settings.precompiled_charsmap).decode("ascii"),
    }
