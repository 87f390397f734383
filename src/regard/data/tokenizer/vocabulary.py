"""How a vocabulary is made: learned from text, or, of bytes and of an existing model, without it."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

import sentencepiece

from regard.data.tokenizer.model_proto import adopt, byte_model
from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings, replace_surrogates
from regard.errors import RegardError, UsageError, one_line

# SentencePiece skips lines of more bytes when it learns. A character is at most four.
_LONGEST_LINE_BYTES = 65_536
_LONGEST_LINE = _LONGEST_LINE_BYTES // 4
# More characters than Unicode has: all those of the text, whatever their number.
_ALL_CHARACTERS = 2_000_000
# A unigram model depends on the number of threads that learned it: the same on every machine.
_LEARNING_THREADS = 4
_SAMPLING_SEED = 1


def train_tokenizer(
    sentences: Iterable[str], settings: TokenizerSettings, text: str = "the training text"
) -> Tokenizer:
    """Make the vocabulary; the same sentences and settings give the same bytes, on any machine.

    The kinds ``byte`` and ``existing`` learn nothing and leave the sentences unread. Memory is bounded by
    ``settings.input_sentence_size`` lines; longer documents are learned from line by line if
    ``settings.newlines``.

    Args:
        text: what the sentences are, for messages.

    Raises:
        UsageError: the vocabulary is larger or smaller than the text allows (the limit); the existing model
            cannot be read.
        RegardError: no text to learn from.
    """
    if settings.kind == "byte":
        return Tokenizer(byte_model())
    if settings.kind == "existing":
        try:
            return Tokenizer(adopt(settings.existing_model()))
        except ValueError as error:
            raise UsageError(
                f"tokenizer.model={settings.model}: {error}; give the .model file that SentencePiece made"
            ) from error
    # SentencePiece can draw a sample itself, but another one each time: its seed is fixed once a process.
    sample = sample_lines(_lines(sentences, settings.newlines), settings.input_sentence_size)
    model = io.BytesIO()
    options: dict[str, Any] = {
        "model_type": settings.kind,
        "vocab_size": settings.vocab_size or _ALL_CHARACTERS,
        "hard_vocab_limit": settings.vocab_size is not None,
        # A piece that is never merged with another, and that no normalization touches.
        "user_defined_symbols": ["\n"] if settings.newlines else [],
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


def known_vocab_size(settings: TokenizerSettings) -> int | None:
    """The number of ids, as far as it is known before there is text: None for all of a text's characters.

    Raises:
        UsageError: the existing model cannot be read.
    """
    return train_tokenizer((), settings).vocab_size if settings.kind in ("byte", "existing") else settings.vocab_size


def sample_lines(lines: Iterable[str], size: int) -> list[str]:
    """At most ``size`` of the lines, equally likely, the same ones every time (Vitter 1985, algorithm R)."""
    generator = random.Random(_SAMPLING_SEED)
    drawn: list[str] = []
    for seen, line in enumerate(_cleaned(lines), start=1):
        if len(drawn) < size:
            drawn.append(line)
        elif (place := int(generator.random() * seen)) < size:
            drawn[place] = line
    return drawn


def _lines(texts: Iterable[str], newlines: bool) -> Iterator[str]:
    """What is learned from at a time: at newlines nothing is ever merged, and no line is too long to be learned."""
    for text in texts:
        for line in text.split("\n") if newlines else [text]:
            for start in range(0, len(line), _LONGEST_LINE):
                yield line[start : start + _LONGEST_LINE]


def _cleaned(lines: Iterable[str]) -> Iterator[str]:
    return (replace_surrogates(line) for line in lines if line.strip())


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
    return RegardError(f"SentencePiece cannot learn a vocabulary from {text}: {one_line(error)}")
