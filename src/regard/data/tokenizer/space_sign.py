"""Lossless encoding of the character ``▁``, which SentencePiece would decode as a space.

SentencePiece represents spaces as ``▁`` and decodes every ``▁`` as a space, unless it is encoded as bytes. Therefore a
character outside the vocabulary replaces ``▁`` before encoding, and its bytes are replaced by those of ``▁`` after it.
"""

from __future__ import annotations

from sentencepiece import SentencePieceProcessor

from regard.data.tokenizer.specials import SPACE

# In the last private plane of Unicode: no vocabulary and no text has all of them.
_STAND_INS = [chr(code) for code in range(0x10FFFD, 0x10FEFF, -1)]


def replace_spaces(processor: SentencePieceProcessor, text: str) -> tuple[str, str | None]:
    """Replace each ``▁`` of ``text``. Return the text and the replacement: None without ``▁`` or byte fallback."""
    if SPACE not in text or _byte_ids(processor, SPACE)[0] == processor.unk_id():
        return text, None
    unused = (char for char in _STAND_INS if char not in text and processor.piece_to_id(char) == processor.unk_id())
    stand_in = next(unused, None)
    return (text, None) if stand_in is None else (text.replace(SPACE, stand_in), stand_in)


def restore_spaces(processor: SentencePieceProcessor, ids: list[int], stand_in: str | None) -> list[int]:
    """Replace the bytes of ``stand_in``, the character that ``replace_spaces`` returned, by those of ``▁``."""
    if stand_in is None:
        return ids
    hidden, revealed = _byte_ids(processor, stand_in), _byte_ids(processor, SPACE)
    out: list[int] = []
    place = 0
    while place < len(ids):
        found = ids[place : place + len(hidden)] == hidden
        out += revealed if found else ids[place : place + 1]
        place += len(hidden) if found else 1
    return out


def _byte_ids(processor: SentencePieceProcessor, char: str) -> list[int]:
    return [processor.piece_to_id(f"<0x{byte:02X}>") for byte in char.encode()]
