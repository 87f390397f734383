"""Tokenizers of models that were trained elsewhere: tokenizer.json of the library tokenizers."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Any

from regard.data.tokenizer.specials import BOS, EOS, PAD, SPACE, UNK
from regard.errors import RegardError, UsageError, one_line


def is_json(model: bytes) -> bool:
    """Return whether a vocabulary is JSON rather than a SentencePiece model."""
    return model.startswith(b"{")


class JsonProcessor:
    """A tokenizer of the library tokenizers, with those methods of SentencePieceProcessor that `Tokenizer` calls.

    Its ids are in the order of regard: pad, bos and eos are 0, 1 and 2. If no text is unknown to it, as with bytes, 3
    is a piece like any other. The names of special tokens in a text are text.

    Raises:
        UsageError: the package tokenizers is not installed.
        RegardError: ``model`` is not readable.
    """

    def __init__(self, model: bytes) -> None:
        if importlib.util.find_spec("tokenizers") is None:
            raise UsageError("the vocabulary needs the package tokenizers: pip install 'regard[export]'")
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(model.decode("utf-8"))
        except Exception as error:  # the library raises exceptions of no other type
            raise RegardError(f"the vocabulary is not readable: {one_line(error)}") from error
        self._tokenizer.encode_special_tokens = True
        self._bytes = _byte_characters() if "ByteLevel" in json.dumps(json.loads(model)["decoder"]) else {}

    def pad_id(self) -> int:
        """Return the id of padding."""
        return PAD

    def bos_id(self) -> int:
        """Return the id of the beginning of a text."""
        return BOS

    def eos_id(self) -> int:
        """Return the id of the end of a text."""
        return EOS

    def unk_id(self) -> int:
        """Return the id of an unknown piece."""
        return UNK

    def vocab_size(self) -> int:
        """Return the number of ids."""
        size: int = self._tokenizer.get_vocab_size()
        return size

    def piece_to_id(self, piece: str) -> int:
        """Return the id of a piece, or UNK if the vocabulary does not contain it."""
        token: int | None = self._tokenizer.token_to_id(piece)
        return UNK if token is None else token

    def id_to_piece(self, token: int) -> str:
        """Return a piece. If pieces are bytes, it is their text, or their values if they are not whole characters."""
        piece = str(self._tokenizer.id_to_token(token))
        if not self._bytes or token in (PAD, BOS, EOS) or any(char not in self._bytes for char in piece):
            return piece
        raw = bytes(self._bytes[char] for char in piece)
        try:
            return raw.decode("utf-8").replace(" ", SPACE)
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in raw)

    def encode(self, text: str | Sequence[str], out_type: type[int], num_threads: int | None = None) -> Any:
        """Return the ids of a text, or of each of many. The library decides on the number of threads."""
        if isinstance(text, str):
            return self._tokenizer.encode(text, add_special_tokens=False).ids
        return [each.ids for each in self._tokenizer.encode_batch(list(text), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text


def _byte_characters() -> dict[str, int]:
    """Return the byte of each character that stands for one (Radford et al. 2019, ``bytes_to_unicode`` of GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
