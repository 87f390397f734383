"""The character ``▁`` of a text, which SentencePiece would give back as a space.

SentencePiece writes spaces as ``▁`` and reads every ``▁`` as a space, except one made of bytes. So another
character, which the vocabulary does not have, stands in for it while a text is cut, and its bytes are replaced after.
"""

from __future__ import annotations

from sentencepiece import SentencePieceProcessor

from regard.data.tokenizer.specials import SPACE

# Of Unicode's last private plane: no vocabulary has them all, and no text.
_STAND_INS = [chr(code) for code in range(0x10FFFD, 0x10FEFF, -1)]


def replace_spaces(processor: SentencePieceProcessor, text: str) -> tuple[str, str | None]:
    """``text`` with another character for each ``▁``, and which: None if it has no ``▁``, or ids no bytes."""
    if SPACE not in text or _byte_ids(processor, SPACE)[0] == processor.unk_id():
        return text, None
    unused = (char for char in _STAND_INS if char not in text and processor.piece_to_id(char) == processor.unk_id())
    stand_in = next(unused, None)
    return (text, None) if stand_in is None else (text.replace(SPACE, stand_in), stand_in)


def restore_spaces(processor: SentencePieceProcessor, ids: list[int], stand_in: str | None) -> list[int]:
    """``ids`` with the bytes of ``▁`` for those of the character that ``hide`` put there."""
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
