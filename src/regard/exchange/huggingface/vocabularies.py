"""Vocabularies of the library transformers in the order of regard, with its special ids."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.model_proto import adopt
from regard.data.tokenizer.specials import BOS, EOS, NUM_SPECIALS, PAD, SPECIAL_PIECES, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.errors import UsageError, one_line
from regard.exchange.huggingface.marian_vocabulary import read_side
from regard.exchange.huggingface.their_config import TheirConfig

UNUSED = proto.ModelProto.SentencePiece.UNUSED


Rows = list[int | None]
"""The id in the other library, by id in regard; None for a special token that the other tokenizer lacks."""


class Vocabulary(NamedTuple):
    """The tokenizers of a model, and the rows of its embeddings in their order.

    source: None if both languages have one embedding, or if there is no source
    """

    tokenizers: Tokenizers
    source: Rows | None
    target: Rows


def _joint(tokenizer: Tokenizer, rows: Rows) -> Vocabulary:
    return Vocabulary(Tokenizers(tokenizer, tokenizer), None, rows)


def read_vocabulary(folder: Path, config: TheirConfig) -> Vocabulary:
    """Read tokenizer.model, tokenizer.json, vocab.json and merges.txt, or the files of Marian.

    Raises UsageError if the folder has no tokenizer, or one of an unsupported kind.
    """
    if (folder / "source.spm").is_file():
        return read_marian(folder, config)
    size = config.size("vocab_size")
    if (path := folder / "tokenizer.model").is_file():
        return sentencepiece_vocabulary(path, config, size)
    if (path := folder / "tokenizer.json").is_file():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{path}: not JSON ({one_line(error)})") from error
        return json_vocabulary(path, content, config, size)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if vocabulary.is_file() and merges.is_file():
        return json_vocabulary(vocabulary, byte_pairs(vocabulary, merges), config, size)
    raise UsageError(f"{folder}: no tokenizer.model, tokenizer.json, or vocab.json and merges.txt")


def sentencepiece_vocabulary(path: Path, config: TheirConfig, size: int) -> Vocabulary:
    """Return a SentencePiece model with its special pieces first (see `adopt`). Missing rows become unused pieces."""
    raw, processor = path.read_bytes(), SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(raw)
    except RuntimeError as error:
        raise UsageError(f"{path}: not a SentencePiece model") from error
    for key, found in (("bos_token_id", processor.bos_id()), ("eos_token_id", processor.eos_id())):
        if config.get(key, found) != found:
            raise UsageError(f"{config.path}: {key}={json.dumps(config.get(key))}: expected {found}, as in {path.name}")
    model = proto.ModelProto.FromString(raw)
    if len(model.pieces) > size:
        raise UsageError(f"{config.path}: vocab_size={size}: expected {len(model.pieces)}, as in {path.name}")
    ids = tuple(getattr(processor, f"{name}_id")() for name in ("pad", "bos", "eos", "unk"))
    if ids == (PAD, BOS, EOS, UNK) and len(model.pieces) == size:
        return _joint(Tokenizer(raw), list(range(size)))
    for number in range(len(model.pieces), size):
        model.pieces.add(piece=f"<unused {number}>", type=UNUSED, score=0.0)
    places = {piece.piece: place for place, piece in enumerate(model.pieces)}
    adopted = Tokenizer(adopt(model.SerializeToString()))
    pieces = proto.ModelProto.FromString(adopted.model).pieces
    return _joint(adopted, [places.get(piece.piece) for piece in pieces])


def json_vocabulary(path: Path, content: dict[str, Any], config: TheirConfig, size: int) -> Vocabulary:
    """Return a tokenizer of byte-pair encoding with the special ids of regard.

    One that has no unknown piece, as with bytes, has the first of its other pieces at the id 3. Rows without a piece
    become unused pieces. ``content`` is the content of tokenizer.json.
    """
    model = content["model"]
    if model.get("type") != "BPE":
        raise UsageError(f"{path}: model.type={json.dumps(model.get('type'))}: expected BPE")
    ids: dict[str, int] = {**model["vocab"], **{each["content"]: each["id"] for each in content["added_tokens"]}}
    names = {place: name for name, place in ids.items()}
    if max(names) >= size:
        raise UsageError(f"{config.path}: vocab_size={size}: expected at least {max(names) + 1}, as in {path.name}")
    names = {place: names.get(place, f"<unused {place}>") for place in range(size)}
    rows = _special_rows(config, ids.get(model.get("unk_token") or ""), size)
    rows += [place for place in names if place not in rows]
    ordered = [
        _new_name(SPECIAL_PIECES[token], ids) if row is None or (token == BOS and row == rows[EOS]) else names[row]
        for token, row in enumerate(rows)
    ]
    model["vocab"] = {name: token for token, name in enumerate(ordered)}
    added = {each["content"]: each for each in content["added_tokens"]}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    specials = [{"id": token, "content": name, **plain} for token, name in enumerate(ordered[: NUM_SPECIALS - 1])]
    special_names = {each["content"] for each in specials}
    others = [each | {"id": model["vocab"][name]} for name, each in added.items() if name not in special_names]
    content |= {"added_tokens": sorted(specials + others, key=lambda each: each["id"])}
    content |= {"post_processor": None, "truncation": None, "padding": None}
    return _joint(Tokenizer(json.dumps(content, ensure_ascii=False).encode("utf-8")), rows)


def read_marian(folder: Path, config: TheirConfig) -> Vocabulary:
    """Read a SentencePiece model for each language, and the ids of its pieces: one list for both, or one for each."""
    second = "target_vocab.json" if (folder / "target_vocab.json").is_file() else "vocab.json"
    sizes = config.size("vocab_size"), config.size("decoder_vocab_size", "vocab_size")
    source, source_rows = read_side(folder / "source.spm", folder / "vocab.json", config, sizes[0])
    target, target_rows = read_side(folder / "target.spm", folder / second, config, sizes[1])
    if source == target:
        return _joint(target, target_rows)
    return Vocabulary(Tokenizers(source, target), source_rows, target_rows)


def byte_pairs(vocabulary: Path, merges: Path) -> dict[str, Any]:
    """Return the content of tokenizer.json for the files of GPT-2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    try:
        found = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library raises exceptions of no other type
        raise UsageError(f"{vocabulary}, {merges.name}: not readable ({one_line(error)})") from error
    found.pre_tokenizer, found.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    content: dict[str, Any] = json.loads(found.to_str())
    return content


def _new_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = f"<{name}>"
    return name


def _special_rows(config: TheirConfig, unknown: int | None, size: int) -> Rows:
    """Return the rows of pad, bos and eos, and of unk if there is one. bos may have the row of eos."""
    eos = config.token("eos_token_id", size)
    bos, pad = config.get("bos_token_id", eos), config.get("pad_token_id")
    rows = [None if pad in (bos, eos, unknown) else pad, bos, eos]
    return rows if unknown in (None, bos, eos) else [*rows, unknown]
