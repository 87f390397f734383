"""From text to token ids and back, with SentencePiece (Kudo and Richardson 2018)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import sentencepiece

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
    """How a vocabulary is made; the names are those of SentencePiece where it has one.

    Args:
        kind: learned from the text: ``bpe`` (Sennrich et al. 2016), ``unigram`` (Kudo 2018) or ``char``. Taken
            as it is: ``byte``, the 256 bytes of UTF-8, or ``existing``; of the rest these two heed ``joint`` only.
        model: path of the existing model, which any SentencePiece may have made; else None.
        vocab_size: number of ids, the four special ones and the bytes included. With ``char`` the most there
            may be, the commonest characters; None: all that the text has.
        joint: one vocabulary for both languages, or one for each.
        newlines: the text has newlines in it, which are a piece of their own.
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
                f"tokenizer.model={self.model}: give the path of a SentencePiece model with tokenizer=existing, "
                f"and none with tokenizer={self.kind if self.kind != 'existing' else 'bpe'}"
            )
        for key in given:
            if TokenizerSettings.__annotations__[key] == "bool" and not isinstance(given[key], bool):
                raise UsageError(f"tokenizer.{key}={given[key]}: give true or false")
        # Special ids, the bytes, and at least the space and one character.
        fewest = NUM_SPECIALS + 256 * self.byte_fallback + 2
        for key, lowest in (("vocab_size", fewest), ("input_sentence_size", 1)):
            number = given[key]
            if number is None and key == "vocab_size" and self.kind not in ("bpe", "unigram"):
                continue
            if not isinstance(number, int) or isinstance(number, bool) or number < lowest:
                hint = "; only tokenizer=char needs none" if number is None else ""
                raise UsageError(f"tokenizer.{key}={number}: give a whole number, {lowest} or more{hint}")
        share = given["character_coverage"]
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise UsageError(f"tokenizer.character_coverage={share}: give a share above 0 and up to 1")

    def fingerprint(self) -> dict[str, object]:
        """Plain values on which the vocabulary depends, and on nothing else: of an existing model, its bytes.

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
        """The bytes of ``model``.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            return Path(str(self.model)).expanduser().read_bytes()
        except OSError as error:
            raise UsageError(
                f"tokenizer.model={self.model}: {error.strerror}; give the path of a SentencePiece model"
            ) from error

    def __str__(self) -> str:
        """For messages: ``a BPE vocabulary of 8,000 pieces``."""
        if self.kind in LEARNED:
            most = "at most " if self.kind == "char" else ""
            size = "" if self.vocab_size is None else f" of {most}{self.vocab_size:,} pieces"
            return f"a {'BPE' if self.kind == 'bpe' else self.kind} vocabulary{size}"
        return "the vocabulary of bytes" if self.kind == "byte" else f"the vocabulary of {self.model}"


class Tokenizer:
    """A vocabulary in use. Two tokenizers of the same bytes are equal; pickles and copies carry the bytes.

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
        shown, stand_in = replace_spaces(self._processor, replace_surrogates(text))
        return restore_spaces(self._processor, self._processor.encode(shown, out_type=int), stand_in)

    def encode_batch(self, texts: Sequence[str], num_threads: int | None = None) -> list[list[int]]:
        """``encode`` for many texts at once, on all processors unless told how many."""
        shown = [replace_spaces(self._processor, replace_surrogates(text)) for text in texts]
        num_threads = num_threads or available_processors()
        rows = self._processor.encode([text for text, _ in shown], out_type=int, num_threads=num_threads)
        return [restore_spaces(self._processor, row, stand_in) for row, (_, stand_in) in zip(rows, shown, strict=True)]

    def sample(self, rows: Sequence[Sequence[int]], alpha: float, seed: int) -> list[list[int]]:
        """The text of each row cut at random: subword regularisation (Kudo 2018), BPE-dropout (Provilkov et al. 2020).

        The same rows, alpha and seed give the same ids, in any process. Decoded, they are the same text. Specials,
        newlines and characters made of bytes stay as they are.

        Args:
            rows: ids, as of ``encode``.
            alpha: above 0, up to 1. Of unigram, the smoothing: towards 0 all ways to cut become equally likely.
                Of BPE, the probability that a merge is left out.

        Raises:
            UsageError: ``alpha`` is out of range; the vocabulary is one of characters or bytes, which has one way.
        """
        if not 0 < alpha <= 1:
            raise UsageError(f"batches.sampling_alpha={alpha}: give a number above 0 and up to 1, or null for none")
        if not self._sampler.can_sample:
            raise UsageError(
                f"batches.sampling_alpha={alpha}: characters and bytes can be cut in one way only; "
                "give null, or choose tokenizer=bpe or tokenizer=unigram"
            )
        return self._sampler.sample(rows, alpha, seed)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; padding, begin and end are left out, an unknown token reads ``⁇``."""
        text: str = self._processor.decode([int(token) for token in ids if token not in (PAD, BOS, EOS)])
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """A readable name for each id: ``▁`` is a space, ``↵`` a newline; specials as ``<pad>  <s>  </s>  <unk>``."""
        return [_readable(self._processor.id_to_piece(int(token))) for token in ids]

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(self.model)


class Tokenizers(NamedTuple):
    """The vocabularies of a model: the same object twice if source and target share one, or there is only a target."""

    source: Tokenizer
    target: Tokenizer

    @property
    def joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.source is self.target

    def sizes(self) -> dict[str, int | None]:
        """The arguments of a model that depend on its vocabularies."""
        return {
            "vocab_size": self.target.vocab_size,
            "source_vocab_size": None if self.joint else self.source.vocab_size,
        }

    def fingerprint(self) -> dict[str, object]:
        """Plain values that identify the vocabularies."""
        models = [self.target.model] if self.joint else [self.source.model, self.target.model]
        return {"kind": "given", "sha256": [hashlib.sha256(model).hexdigest() for model in models]}


def replace_surrogates(text: str) -> str:
    """``text`` as UTF-8 can hold it; strings read with surrogate escapes may not be."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _readable(piece: str) -> str:
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in piece.replace("\n", "↵"))
