"""Making a vocabulary: learn it from text, or take the one of bytes or of an existing model."""

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

# SentencePiece skips longer lines when it learns. A character has at most four bytes.
_LONGEST_LINE_BYTES = 65_536
_LONGEST_LINE = _LONGEST_LINE_BYTES // 4
# More characters than Unicode has: the vocabulary contains all characters of the text.
_ALL_CHARACTERS = 2_000_000
# A unigram model depends on the number of threads that learn it: it must be the same on every machine.
_LEARNING_THREADS = 4
_SAMPLING_SEED = 1


def train_tokenizer(
    sentences: Iterable[str], settings: TokenizerSettings, text: str = "the training text"
) -> Tokenizer:
    """Make a tokenizer. The same sentences and settings result in the same bytes on any machine.

    The kinds ``byte`` and ``existing`` learn nothing and do not read the sentences. Memory is bounded by
    ``settings.input_sentence_size`` lines. With ``settings.newlines``, documents are split into lines.

    Args:
        text: description of the sentences, for messages.

    Raises:
        UsageError: the vocabulary is larger or smaller than the text allows (names the limit); the existing model
            cannot be read.
        RegardError: there is no text to learn from.
    """
    if settings.kind == "byte":
        return Tokenizer(byte_model())
    if settings.kind == "existing":
        try:
            return Tokenizer(adopt(settings.existing_model()))
        except ValueError as error:
            raise UsageError(
                f"tokenizer.model={settings.model}: {error}; give the .model file that SentencePiece wrote"
            ) from error
    # SentencePiece can sample lines, but its seed is fixed once per process: each sample would be another.
    sample = sample_lines(_lines(sentences, settings.newlines), settings.input_sentence_size)
    model = io.BytesIO()
    options: dict[str, Any] = {
        "model_type": settings.kind,
        "vocab_size": settings.vocab_size or _ALL_CHARACTERS,
        "hard_vocab_limit": settings.vocab_size is not None,
        # A piece that is never merged with another, and is not normalized.
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
    """Return the number of ids if it is known without text; None if it is the number of characters of the text.

    Raises:
        UsageError: the existing model cannot be read.
    """
    return train_tokenizer((), settings).vocab_size if settings.kind in ("byte", "existing") else settings.vocab_size


def sample_lines(lines: Iterable[str], size: int) -> list[str]:
    """Sample at most ``size`` lines uniformly, always the same ones (Vitter 1985, algorithm R)."""
    generator = random.Random(_SAMPLING_SEED)
    sample: list[str] = []
    for seen, line in enumerate(_cleaned(lines), start=1):
        if len(sample) < size:
            sample.append(line)
        elif (place := int(generator.random() * seen)) < size:
            sample[place] = line
    return sample


def _lines(texts: Iterable[str], newlines: bool) -> Iterator[str]:
    """Yield the lines to learn from: split at newlines, which are never merged, and at the maximum length."""
    for text in texts:
        for line in text.split("\n") if newlines else [text]:
            for start in range(0, len(line), _LONGEST_LINE):
                yield line[start : start + _LONGEST_LINE]


def _cleaned(lines: Iterable[str]) -> Iterator[str]:
    return (replace_surrogates(line) for line in lines if line.strip())


def _explain(error: RuntimeError, settings: TokenizerSettings, text: str) -> RegardError:
    """Convert an error of SentencePiece to a message for the user."""
    key, message = f"tokenizer.vocab_size={settings.vocab_size}", str(error)
    if largest := re.search(r"value <= (\d+)", message):
        return UsageError(
            f"{key} is more than {text} allows: at most {largest[1]}; "
            f"lower it to {largest[1]} or less, or use more text"
        )
    if fewest := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return UsageError(
            f"{key} is less than {text} needs for its characters: at least {fewest[1]}; raise it, or lower "
            f"tokenizer.character_coverage={settings.character_coverage}"
        )
    if "sentences_.empty()" in message:
        return RegardError(f"{text} has no line to learn a vocabulary from; add text")
    return RegardError(f"SentencePiece cannot learn a vocabulary from {text}: {one_line(error)}")
