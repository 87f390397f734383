"""From text to token ids and back, with SentencePiece (Kudo and Richardson 2018)."""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sentencepiece

from regard.errors import RegardError, UsageError

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = 4

KINDS = ("bpe", "unigram")
NORMALIZATIONS = ("identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf")

# SentencePiece skips longer lines when it learns; they are still encoded.
_LONGEST_LINE_BYTES = 65_536
# A unigram model depends on the number of threads that learned it: the same on every machine.
_LEARNING_THREADS = 4
_SAMPLING_SEED = 1


@dataclass(frozen=True)
class TokenizerSettings:
    """How a vocabulary is learned; the names are those of SentencePiece where it has one.

    Args:
        kind: ``bpe`` (Sennrich et al. 2016) or ``unigram`` (Kudo 2018).
        vocab_size: number of ids, the four special ones and the bytes included.
        joint: one vocabulary for both languages, or one for each.
        normalization: rule applied to text before it is cut. ``identity`` leaves it as it is, ``nfkc`` is
            Unicode's NFKC; ``nmt_`` also tidies spaces and control characters, ``_cf`` also folds case.
        split_digits: every digit is a piece of its own.
        byte_fallback: a character out of the vocabulary becomes its UTF-8 bytes, 256 ids, instead of <unk>.
        character_coverage: share of the characters of the corpus that the vocabulary must hold, in (0, 1].
        add_dummy_prefix: put a space before the text, so that a word has one form at the start and elsewhere.
        remove_extra_whitespaces: drop leading, trailing and repeated spaces.
        input_sentence_size: learn from at most so many lines, drawn at random; bounds the memory for it.

    Raises:
        UsageError: a value that does not fit, with the choices.
    """

    kind: str = "bpe"
    vocab_size: int = 8000
    joint: bool = True
    normalization: str = "identity"
    split_digits: bool = True
    byte_fallback: bool = True
    character_coverage: float = 0.9995
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    input_sentence_size: int = 1_000_000

    def __post_init__(self) -> None:
        given = vars(self)  # from YAML: of any type
        for key, choices in (("kind", KINDS), ("normalization", NORMALIZATIONS)):
            if given[key] not in choices:
                raise UsageError(f"tokenizer.{key}={given[key]}: choose one of {', '.join(choices)}")
        for key in ("joint", "split_digits", "byte_fallback", "add_dummy_prefix", "remove_extra_whitespaces"):
            if not isinstance(given[key], bool):
                raise UsageError(f"tokenizer.{key}={given[key]}: give true or false")
        # Special ids, the bytes, and at least the space and one character.
        fewest = SPECIALS + 256 * self.byte_fallback + 2
        for key, lowest in (("vocab_size", fewest), ("input_sentence_size", 1)):
            number = given[key]
            if not isinstance(number, int) or isinstance(number, bool) or number < lowest:
                raise UsageError(f"tokenizer.{key}={number}: give a whole number, {lowest} or more")
        share = given["character_coverage"]
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise UsageError(f"tokenizer.character_coverage={share}: give a share above 0 and up to 1")


class Tokenizer:
    """A learned vocabulary. Two tokenizers of the same bytes are equal; pickles and copies carry the bytes.

    Raises:
        RegardError: ``model`` is not a SentencePiece model with the special ids 0 to 3 of this module.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, TypeError) as error:
            raise RegardError("these bytes are no SentencePiece model; prepare the data again") from error
        ids = tuple(getattr(self._processor, f"{name}_id")() for name in ("pad", "bos", "eos", "unk"))
        if ids != (PAD, BOS, EOS, UNK):
            raise RegardError(
                f"the SentencePiece model has its special ids pad, bos, eos, unk at {ids}, expected "
                f"{(PAD, BOS, EOS, UNK)}; train it with those ids"
            )
        self.vocab_size: int = self._processor.vocab_size()

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[bytes]]:
        return Tokenizer, (self.model,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.model == other.model

    def __hash__(self) -> int:
        return hash(self.model)

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without specials; any string will do, lone surrogates become ``?``."""
        ids: list[int] = self._processor.encode(_encodable(text), out_type=int)
        return ids

    def encode_batch(self, texts: Sequence[str], num_threads: int | None = None) -> list[list[int]]:
        """``encode`` for many texts at once, on all processors unless told how many."""
        rows: list[list[int]] = self._processor.encode(
            [_encodable(text) for text in texts], out_type=int, num_threads=num_threads or processors()
        )
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; padding, begin and end are left out, an unknown token reads ``⁇``."""
        text: str = self._processor.decode([int(token) for token in ids if token not in (PAD, BOS, EOS)])
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A readable name for each id: ``▁`` is a space; specials are ``<pad>  <s>  </s>  <unk>``."""
        return [_readable(self._processor.id_to_piece(int(token))) for token in ids]


def train_tokenizer(
    sentences: Iterable[str], settings: TokenizerSettings, text: str = "the training text"
) -> Tokenizer:
    """Learn a vocabulary; the same sentences and settings give the same bytes, on any machine.

    Memory is bounded by ``settings.input_sentence_size`` lines.

    Args:
        text: what the sentences are, for messages.

    Raises:
        UsageError: the vocabulary is larger or smaller than the text allows (the limit).
        RegardError: no text to learn from.
    """
    # SentencePiece can draw a sample itself, but another one each time: its seed is fixed once a process.
    sample = draw_lines(sentences, settings.input_sentence_size)
    model = io.BytesIO()
    options: dict[str, Any] = {
        "model_type": settings.kind,
        "vocab_size": settings.vocab_size,
        "normalization_rule_name": settings.normalization,
        "split_digits": settings.split_digits,
        "byte_fallback": settings.byte_fallback,
        "character_coverage": settings.character_coverage,
        "add_dummy_prefix": settings.add_dummy_prefix,
        "remove_extra_whitespaces": settings.remove_extra_whitespaces,
        "max_sentence_length": _LONGEST_LINE_BYTES,
        "num_threads": _LEARNING_THREADS,
        "pad_id": PAD,
        "bos_id": BOS,
        "eos_id": EOS,
        "unk_id": UNK,
        "minloglevel": 2,
    }
    try:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sample), model_writer=model, **options)
    except RuntimeError as error:
        raise _explain(error, settings, text) from error
    return Tokenizer(model.getvalue())


def draw_lines(lines: Iterable[str], size: int) -> list[str]:
    """At most ``size`` of the lines, equally likely, the same ones every time (Vitter 1985, algorithm R)."""
    generator = random.Random(_SAMPLING_SEED)
    drawn: list[str] = []
    for seen, line in enumerate(_cleaned(lines), start=1):
        if len(drawn) < size:
            drawn.append(line)
        elif (place := int(generator.random() * seen)) < size:
            drawn[place] = line
    return drawn


def _cleaned(lines: Iterable[str]) -> Iterator[str]:
    return (_encodable(line) for line in lines if line.strip())


def _explain(error: RuntimeError, settings: TokenizerSettings, text: str) -> RegardError:
    """SentencePiece's failure, in this project's words."""
    key, said = f"tokenizer.vocab_size={settings.vocab_size}", str(error)
    if largest := re.search(r"value <= (\d+)", said):
        return UsageError(
            f"{key} is more than {text} allows: at most {largest[1]}; "
            f"lower it to {largest[1]} or less, or use more text"
        )
    if fewest := re.search(r"smaller than required_chars\. \d+ vs (\d+)", said):
        return UsageError(
            f"{key} is less than {text} needs for its characters: at least {fewest[1]}; raise it, or lower "
            f"tokenizer.character_coverage={settings.character_coverage}"
        )
    if "sentences_.empty()" in said:
        return RegardError(f"{text} holds no line to learn a vocabulary from; add text")
    return RegardError(f"SentencePiece cannot learn a vocabulary from {text}: {' '.join(said.split())}")


def _encodable(text: str) -> str:
    """``text`` as UTF-8 can hold it; strings read with surrogate escapes may not be."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _readable(piece: str) -> str:
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in piece)


def processors() -> int:
    """How many processors this process may use, which on a shared node is fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
