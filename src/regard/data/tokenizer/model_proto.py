"""SentencePiece models as protocol buffers: construct a vocabulary of bytes, and adapt any existing model.

The format is ``sentencepiece_model.proto`` of https://github.com/google/sentencepiece.
"""

from __future__ import annotations

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.specials import BOS, EOS, PAD, SPECIAL_PIECES, UNK

# In the order of their ids.
NAMES = {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK}
_Piece = proto.ModelProto.SentencePiece


def byte_model() -> bytes:
    """Return a model in which every byte of UTF-8 is one id: four special tokens and 256 bytes, nothing learned."""
    model = proto.ModelProto()
    model.trainer_spec.model_type = proto.TrainerSpec.CHAR
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = False
    specials = [special_piece(name, set()) for name in NAMES]
    set_pieces(model, [*specials, *(_Piece(piece=f"<0x{byte:02X}>", type=_Piece.BYTE) for byte in range(256))])
    return bytes(model.SerializeToString(deterministic=True))


def adopt(model: bytes) -> bytes:
    """Return ``model`` with pad, bos, eos and unk at ids 0 to 3, followed by all other pieces in their order.

    Existing special pieces are moved and keep their names; missing ones are added. Any text has the same pieces.

    Raises:
        ValueError: ``model`` is not a SentencePiece model.
    """
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except (RuntimeError, TypeError) as error:
        raise ValueError("not a SentencePiece model") from error
    adopted = proto.ModelProto.FromString(model)
    others = dict(enumerate(adopted.pieces))
    # The id is -1 for a missing piece. If bos and eos are the same piece, a new eos is added.
    found = {name: others.pop(getattr(processor, f"{name}_id")(), None) for name in NAMES}
    taken = {piece.piece for piece in adopted.pieces}
    specials = [piece if piece is not None else special_piece(name, taken) for name, piece in found.items()]
    set_pieces(adopted, [*specials, *others.values()])
    return bytes(adopted.SerializeToString(deterministic=True))


def special_piece(name: str, taken: set[str]) -> proto.ModelProto.SentencePiece:
    """Return a new special piece with a name that is not in ``taken``."""
    piece = SPECIAL_PIECES[NAMES[name]]
    while piece in taken:
        piece = f"<{piece}>"
    return _Piece(piece=piece, type=_Piece.UNKNOWN if name == "unk" else _Piece.CONTROL)


def set_pieces(model: proto.ModelProto, pieces: list[proto.ModelProto.SentencePiece]) -> None:
    """Replace the pieces of ``model``, special ones first, and set the ids and names of the special ones in it."""
    copies = [_Piece.FromString(piece.SerializeToString()) for piece in pieces]  # the pieces may belong to the model
    del model.pieces[:]
    model.pieces.extend(copies)
    model.trainer_spec.vocab_size = len(copies)
    for name, token in NAMES.items():
        setattr(model.trainer_spec, f"{name}_id", token)
        setattr(model.trainer_spec, f"{name}_piece", copies[token].piece)
