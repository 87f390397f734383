"""Text to token ids and back, with SentencePiece (Kudo and Richardson 2018)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import sentencepiece

from regard.data.tokenizer.json_processor import JsonProcessor, is_json
from regard.data.tokenizer.space_sign import replace_spaces, restore_spaces
from regard.data.tokenizer.specials import BOS, EOS, NUM_SPECIALS, PAD, UNK
from regard.data.tokenizer.subword_sampling import Sampler
from regard.errors import RegardError, UsageError
from regard.machine import available_processors

LEARNED = ("bpe", "unigram", "char")
KINDS = (*LEARNED, "byte", "existing")
NORMALIZATIONS = ("identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf")


@dataclass(frozen=True)
class TokenizerSettings:
    """Settings of a vocabulary. The names are those of SentencePiece where it has the setting.

    Args:
        kind: learned from the text: ``bpe`` (Sennrich et al. 2016), ``unigram`` (Kudo 2018) or ``char``; or fixed:
            ``byte``, the 256 bytes of UTF-8, or ``existing``. Fixed kinds use no other setting than ``joint``.
        model: path of the existing SentencePiece model; None for other kinds.
        vocab_size: number of ids, including the four special tokens and the bytes. With ``char``, the maximum: the
            most frequent characters are used; None for all characters of the text.
        joint: one vocabulary for both languages, or one per language.
        newlines: the text has newlines; a newline is a piece.
        normalization: rule applied to the text before encoding. ``identity`` changes nothing, ``nfkc`` is
            Unicode's NFKC; ``nmt_`` also normalizes spaces and control characters, ``_cf`` also folds case.
        split_digits: every digit is a separate piece.
        byte_fallback: encode a character outside the vocabulary as its UTF-8 bytes (256 ids) instead of <unk>.
        character_coverage: share of the characters of the corpus that the vocabulary must contain, in (0, 1].
        add_dummy_prefix: add a space before the text, so that a word has the same pieces at the start and elsewhere.
        remove_extra_whitespaces: remove leading, trailing and repeated spaces.
        input_sentence_size: maximum number of lines to learn from, sampled at random; bounds the memory.

    Raises:
        UsageError: an invalid value; the message names the valid ones.
    """

    kind: str = "bpe"
    model: str | None = None
    vocab_size: int | None = 8000
    joint: bool = True
    newlines: bool = False
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
        if (self.kind == "existing") != bool(self.model):
            raise UsageError(
                f"tokenizer.model={self.model}: expected the path of a SentencePiece model with tokenizer=existing, "
                f"and null with tokenizer={self.kind if self.kind != 'existing' else 'bpe'}"
            )
        for key in given:
            if TokenizerSettings.__annotations__[key] == "bool" and not isinstance(given[key], bool):
                raise UsageError(f"tokenizer.{key}={given[key]}: expected true or false")
        # The special tokens, the bytes, and at least the space and one character.
        fewest = NUM_SPECIALS + 256 * self.byte_fallback + 2
        for key, lowest in (("vocab_size", fewest), ("input_sentence_size", 1)):
            number = given[key]
            if number is None and key == "vocab_size" and self.kind not in ("bpe", "unigram"):
                continue
            if not isinstance(number, int) or isinstance(number, bool) or number < lowest:
                hint = "; only tokenizer=char allows null" if number is None else ""
                raise UsageError(f"tokenizer.{key}={number}: expected an integer >= {lowest}{hint}")
        share = given["character_coverage"]
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise UsageError(f"tokenizer.character_coverage={share}: expected a number in (0, 1]")

    def fingerprint(self) -> dict[str, object]:
        """Return the plain values that determine the vocabulary; for an existing model, the digest of its bytes.

        Raises:
            UsageError: the existing model cannot be read.
        """
        if self.kind == "byte":
            return {"kind": self.kind, "joint": self.joint}
        if self.kind == "existing":
            digest = hashlib.sha256(self.existing_model()).hexdigest()
            return {"kind": self.kind, "joint": self.joint, "sha256": digest}
        return {key: value for key, value in asdict(self).items() if key != "model"}

    def existing_model(self) -> bytes:
        """Return the bytes of ``model``.

        Raises:
            UsageError: the file cannot be read.
        """
        try:
            return Path(str(self.model)).expanduser().read_bytes()
        except OSError as error:
            raise UsageError(
                f"tokenizer.model={self.model}: {error.strerror}; give the path of a SentencePiece model"
            ) from error

    def __str__(self) -> str:
        """Return a description for messages: ``a BPE vocabulary of 8,000 pieces``."""
        if self.kind in LEARNED:
            most = "at most " if self.kind == "char" else ""
            size = "" if self.vocab_size is None else f" of {most}{self.vocab_size:,} pieces"
            return f"a {'BPE' if self.kind == 'bpe' else self.kind} vocabulary{size}"
        return "the vocabulary of bytes" if self.kind == "byte" else f"the vocabulary of {self.model}"


class Tokenizer:
    """A SentencePiece model, or the JSON of a tokenizer that was trained elsewhere (see `JsonProcessor`).

    Tokenizers with the same bytes are equal; pickles and copies contain the bytes.

    Raises:
        RegardError: ``model`` is not such a model with the special ids of `regard.data.tokenizer.specials`.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor: Any = JsonProcessor(model) if is_json(model) else _sentencepiece(model)
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
        """Return the ids of ``text`` without special tokens. Lone surrogates become ``?``."""
        shown, stand_in = replace_spaces(self._processor, replace_surrogates(text))
        return restore_spaces(self._processor, self._processor.encode(shown, out_type=int), stand_in)

    def encode_batch(self, texts: Sequence[str], num_threads: int | None = None) -> list[list[int]]:
        """Encode many texts at once, with ``num_threads`` threads; None for the number of available processors."""
        shown = [replace_spaces(self._processor, replace_surrogates(text)) for text in texts]
        num_threads = num_threads or available_processors()
        rows = self._processor.encode([text for text, _ in shown], out_type=int, num_threads=num_threads)
        return [restore_spaces(self._processor, row, stand_in) for row, (_, stand_in) in zip(rows, shown, strict=True)]

    def sample(self, rows: Sequence[Sequence[int]], alpha: float, seed: int) -> list[list[int]]:
        """Sample a segmentation of each row: subword regularisation (Kudo 2018), BPE-dropout (Provilkov et al. 2020).

        The same rows, alpha and seed result in the same ids in any process. The decoded text does not change. Special
        tokens, newlines and characters encoded as bytes are unchanged.

        Args:
            rows: ids returned by ``encode``.
            alpha: in (0, 1]. For unigram, the smoothing: towards 0, all segmentations become equally likely. For BPE,
                the probability that a merge is dropped.

        Raises:
            UsageError: ``alpha`` is out of range; the vocabulary of characters or bytes has a unique segmentation.
        """
        if not 0 < alpha <= 1:
            raise UsageError(f"batches.sampling_alpha={alpha}: expected a number in (0, 1], or null")
        if is_json(self.model):
            raise UsageError(f"batches.sampling_alpha={alpha}: only SentencePiece models can sample; give null")
        if not self._sampler.can_sample:
            raise UsageError(
                f"batches.sampling_alpha={alpha}: the segmentation into characters or bytes is unique; "
                "give null, or choose tokenizer=bpe or tokenizer=unigram"
            )
        return self._sampler.sample(rows, alpha, seed)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids`` without pad, bos and eos. An unknown token becomes ``⁇``."""
        text: str = self._processor.decode([int(token) for token in ids if token not in (PAD, BOS, EOS)])
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return a readable piece for each id: ``▁`` is a space, ``↵`` a newline; specials as in `SPECIAL_PIECES`."""
        return [_readable(self._processor.id_to_piece(int(token))) for token in ids]

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(self.model)


def _sentencepiece(model: bytes) -> Any:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except (RuntimeError, TypeError) as error:
        raise RegardError("the vocabulary is not a SentencePiece model; prepare the data again") from error
    return processor


class Tokenizers(NamedTuple):
    """The vocabularies of a model: the same object twice if they are joint, or if there is only a target."""

    source: Tokenizer
    target: Tokenizer

    @property
    def joint(self) -> bool:
        """Whether source and target share one vocabulary."""
        return self.source is self.target

    def sizes(self) -> dict[str, int | None]:
        """Return the arguments of a model that depend on its vocabularies."""
        return {
            "vocab_size": self.target.vocab_size,
            "source_vocab_size": None if self.joint else self.source.vocab_size,
        }

    def fingerprint(self) -> dict[str, object]:
        """Return plain values that identify the vocabularies."""
        models = [self.target.model] if self.joint else [self.source.model, self.target.model]
        return {"kind": "given", "sha256": [hashlib.sha256(model).hexdigest() for model in models]}


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by ``?``. Strings with surrogate escapes contain them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _readable(piece: str) -> str:
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in piece.replace("\n", "↵"))
