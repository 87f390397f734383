"""Tokenizers of the library tokenizers have the ids of the SentencePiece models that they are made from."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.exchange.huggingface.fast_tokenizer import fast_tokenizer, not_converted

TEXT = Path(__file__).read_text(encoding="utf-8").splitlines()
SENTENCES = [
    *(
        "Der schnelle Fuchs springt über den faulen Hund.",
        "Ещё раз: съешь этих мягких французских булок.",
        "１２３ ﬁne",
    ),
    *("我們在三個星期後見面。", "مرحبا بالعالم", "नमस्ते दुनिया", "naïve café — “quoted” … ½ №5", "e\u0301 a\u0308"),
    *(" two  spaces ", "tab\there", "a 1234567 b", "", " ", "   ", "🙂👩‍👩‍👧 emoji", "</s> <unk> <0x41> <s>"),
]
NEWLINES = {"newlines": True, "add_dummy_prefix": False, "remove_extra_whitespaces": False}


def mixtures() -> list[str]:
    """Random words of all lines."""
    draw = random.Random(5)
    words = [word for line in (*SENTENCES, *TEXT) for word in line.split(" ")]
    return [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(300)]


def mixed_characters() -> list[str]:
    """Random characters, also marks after characters that never have them."""
    draw = random.Random(6)
    characters = list("".join(SENTENCES))
    return ["".join(draw.choices(characters, k=draw.randint(1, 12))) for _ in range(300)]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "bpe", "vocab_size": 900},
        {"kind": "bpe", "vocab_size": 400, "byte_fallback": False, "split_digits": False},
        {"kind": "bpe", "vocab_size": 900, "normalization": "nmt_nfkc"},
        {"kind": "bpe", "vocab_size": 900, **NEWLINES},
        {"kind": "unigram", "vocab_size": 550},
        {"kind": "unigram", "vocab_size": 270, "byte_fallback": False, "normalization": "nmt_nfkc_cf"},
        {"kind": "char", "vocab_size": None},
        {"kind": "char", "vocab_size": 330, **NEWLINES},
        {"kind": "byte"},
    ],
    ids=str,
)
def test_it_has_the_same_ids_and_texts(settings: dict[str, Any]) -> None:
    tokenizer = train_tokenizer([*SENTENCES, *TEXT], TokenizerSettings(**settings))
    assert not_converted(tokenizer.model) is None
    fast = fast_tokenizer(tokenizer.model, ends=False)
    fast.encode_special_tokens = True
    texts = [*SENTENCES, *TEXT, *mixtures(), "\n".join(TEXT[:20])]
    if "normalization" not in settings:  # the library loses marks after a character that the normalisation changes
        texts += mixed_characters()
    if settings["kind"] == "unigram":  # the library finds the names of special pieces in a text
        texts = [text for text in texts if "<" not in text]
    different = []
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        if fast.encode(text).ids != ids:
            different.append((text, tokenizer.pieces(ids), fast.encode(text).tokens))
        elif 3 not in ids and fast.decode(ids) != tokenizer.decode(ids):
            different.append((text, tokenizer.decode(ids), fast.decode(ids)))
    print(len(texts), len(different), different[:8])
    assert not different
