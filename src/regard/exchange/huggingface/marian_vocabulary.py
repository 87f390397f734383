"""Marian's vocabularies: SentencePiece models whose pieces have the ids of a separate list."""

from __future__ import annotations

import json
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.model_proto import NAMES, set_pieces, special_piece
from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError, one_line
from regard.exchange.huggingface.their_config import TheirConfig

Piece = proto.ModelProto.SentencePiece
UNKNOWN = "<unk>"
READ = (Piece.NORMAL, Piece.USER_DEFINED, Piece.BYTE)
"""Types of the pieces that a text may have."""


def read_side(path: Path, ids: Path, config: TheirConfig, size: int) -> tuple[Tokenizer, list[int | None]]:
    """Return the tokenizer of one language, and the row of each of its ids in an embedding of ``size`` rows.

    A piece of the list that the SentencePiece model has not, as one of the other language, is never used. ``<s>`` has
    the row of the token that the decoder begins with.

    Raises UsageError if a file is missing or damaged, or if the list does not have each piece of the model.
    """
    model, listed = _read_model(path), _read_ids(ids)
    known = {piece.piece: piece for piece in model.pieces}
    if missing := [p.piece for p in model.pieces if p.type in READ and p.piece not in listed]:
        raise UsageError(f"{ids}: {len(missing)} pieces of {path.name} are missing, such as {json.dumps(missing[0])}")
    if UNKNOWN not in listed:
        raise UsageError(f"{ids}: {UNKNOWN} is missing")
    if max(listed.values()) >= size:
        raise UsageError(f"{config.path}: vocab_size={size}: expected at least {max(listed.values()) + 1}")
    keys = ("pad_token_id", "decoder_start_token_id", "eos_token_id")
    rows: list[int | None] = [*(config.token(key, size) for key in keys), listed[UNKNOWN]]
    names = {row: name for name, row in listed.items()}
    specials: list[proto.ModelProto.SentencePiece] = []
    for name, row in zip(NAMES, rows, strict=True):
        piece = special_piece(name, set(listed))
        if row in names and names[row] not in {special.piece for special in specials}:
            piece.piece = names[row]
        specials.append(piece)
    others = [row for row in range(size) if row not in rows]
    unused = (names.get(row, f"<unused {row}>") for row in others)
    pieces = [known.get(name, Piece(piece=name, type=Piece.UNUSED)) for name in unused]
    set_pieces(model, [*specials, *pieces])
    return Tokenizer(model.SerializeToString(deterministic=True)), [*rows, *others]


def _read_model(path: Path) -> proto.ModelProto:
    try:
        raw = path.read_bytes()
        SentencePieceProcessor().LoadFromSerializedProto(raw)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a SentencePiece model") from error
    except RuntimeError as error:
        raise UsageError(f"{path}: not a SentencePiece model") from error
    return proto.ModelProto.FromString(raw)


def _read_ids(path: Path) -> dict[str, int]:
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected the ids of pieces") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({one_line(error)})") from error
    if not isinstance(ids, dict) or not all(isinstance(token, int) for token in ids.values()):
        raise UsageError(f"{path}: expected the ids of pieces")
    return ids
