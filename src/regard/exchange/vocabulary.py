"""The vocabularies of a model as other programs read them."""

from __future__ import annotations

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.json_processor import is_json
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.exchange.unsupported import Unsupported


def sentencepiece_model(tokenizer: Tokenizer) -> proto.ModelProto:
    """Return the SentencePiece model of a tokenizer. Raises Unsupported for another one, which was imported."""
    if is_json(tokenizer.model):
        raise Unsupported("tokenizer", "tokenizer.json", "a SentencePiece model")
    return proto.ModelProto.FromString(tokenizer.model)


def pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the pieces of a SentencePiece model, by id, as SentencePiece itself writes them."""
    return [piece.piece for piece in sentencepiece_model(tokenizer).pieces]


def write_tokenizers(tokenizers: Tokenizers, folder: Path) -> None:
    """Write ``tokenizer.model``, or for separate vocabularies ``source.model`` and ``target.model``.

    The tokenizer of a model that was imported may be JSON: ``tokenizer.json``.
    """
    for name, tokenizer in tokenizers._asdict().items():
        ending = "json" if is_json(tokenizer.model) else "model"
        (folder / f"{'tokenizer' if tokenizers.joint else name}.{ending}").write_bytes(tokenizer.model)
