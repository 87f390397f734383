"""The tokenizer of live pages gives the ids and the text of SentencePiece, in five scripts and beyond."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from babel import Locale
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.exchange.page.engine import engine_source
from regard.exchange.page.vocabulary import describe_tokenizer

LANGUAGES = ("de", "vi", "ru", "el", "ar", "zh", "ja", "hi")
LINES_OF_LANGUAGE = 250
ODD = [
    "😀", "👩‍👩‍👧", "e\u0301", "\u0301", "각", "ạ̈", "ｱ", "ﬁ", "①", "½", "™", "ſ", "﷽", "𝕳",
    "\t", "\r", "\n", "\u00a0", "\u3000", "\u200b", "\u2028", "  ", "▁", "\x00", "\x01", "\x7f", "\ufeff", "\u00ad",
    "\ue000", "\U0010fffd", "<s>", "</s>", "<unk>", "<0x41>", "⁇", "\ud800",
]  # fmt: skip
RANGES = [(0x20, 0x250), (0, 0x3100), (0x3000, 0xD7FF), (0xE000, 0x110000), (0xF900, 0xFFFF)]

LOSSLESS = {"newlines": True, "add_dummy_prefix": False, "remove_extra_whitespaces": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "bpe": {"kind": "bpe"},
    "bpe, lossless": {"kind": "bpe", "normalization": "identity", **LOSSLESS},
    "bpe, without bytes": {"kind": "bpe", "byte_fallback": False, "newlines": True},
    "unigram": {"kind": "unigram"},
    "unigram, lossless": {"kind": "unigram", "normalization": "identity", **LOSSLESS},
    "unigram, folded": {"kind": "unigram", "normalization": "nmt_nfkc_cf", "remove_extra_whitespaces": False},
    "char": {"kind": "char", "vocab_size": None, "character_coverage": 0.98},
    "char, lossless": {"kind": "char", "vocab_size": None, "normalization": "identity", **LOSSLESS},
    "byte": {"kind": "byte", "vocab_size": None},
}

DRIVER = """
onmessage = ({ data }) => {
  for (const { name, description, lines, ids, texts, random, random_texts, pieces } of data) {
    const tokenizer = new Tokenizer(description);
    const wrong = [];
    const check = (what, given, found, expected) => {
      if (JSON.stringify(found) !== JSON.stringify(expected)) wrong.push({ what, given, found, expected });
    };
    lines.forEach((line, i) => check("encode", line, tokenizer.encode(line), ids[i]));
    ids.forEach((row, i) => check("decode", row, tokenizer.decode(row), texts[i]));
    random.forEach((row, i) => check("decode", row, tokenizer.decode(row), random_texts[i]));
    random.forEach((row, i) => check("pieces", row, tokenizer.shown(row), pieces[i]));
    postMessage({ kind: "part", name, checks: lines.length + ids.length + 2 * random.length, wrong });
  }
  postMessage({ kind: "whole" });
};
"""


@pytest.fixture(scope="module")
def words() -> dict[str, list[str]]:
    return {
        language: [*Locale(language).territories.values(), *Locale(language).currencies.values()]
        for language in LANGUAGES
    }


@pytest.fixture(scope="module")
def lines(words: dict[str, list[str]]) -> list[str]:
    """Sentences of each language with odd characters in them, and lines of any characters."""
    rng = random.Random(5)

    def sentence(language: str) -> str:
        parts = rng.choices(words[language], k=rng.randint(1, 5))
        if rng.random() < 0.5:
            parts.insert(rng.randrange(len(parts) + 1), "".join(rng.choices(ODD, k=rng.randint(1, 3))))
        return rng.choice(["", "", " "]) + rng.choice([" ", " ", "", "  "]).join(parts) + rng.choice(["", "", "  "])

    def any_characters() -> str:
        codes = [rng.randrange(*rng.choice(RANGES)) for _ in range(rng.randint(1, 15))]
        return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)

    sentences = [sentence(language) for language in LANGUAGES for _ in range(LINES_OF_LANGUAGE)]
    return ["", " ", "  ", "▁", "\n", *ODD, *sentences, *(any_characters() for _ in range(500))]


@pytest.fixture(scope="module")
def tokenizers(words: dict[str, list[str]]) -> dict[str, Tokenizer]:
    text = [name for language in LANGUAGES for name in words[language]]
    made = {
        name: train_tokenizer(text, TokenizerSettings(**{"vocab_size": 2600, "character_coverage": 1.0} | settings))
        for name, settings in SETTINGS.items()
    }
    return made | {"bpe, existing": with_unused_pieces(made["bpe"])}


def with_unused_pieces(tokenizer: Tokenizer) -> Tokenizer:
    """The same model with pieces that are only steps to longer ones: SentencePiece splits them again."""
    model = proto.ModelProto.FromString(tokenizer.model)
    longer = [piece for piece in model.pieces if piece.type == piece.NORMAL and len(piece.piece) > 1]
    for piece in longer[::3]:
        piece.type = piece.UNUSED
    return Tokenizer(model.SerializeToString())


@pytest.fixture(scope="module")
def checked(
    compute: Callable[..., list[Any]], tokenizers: dict[str, Tokenizer], lines: list[str]
) -> dict[str, dict[str, Any]]:
    cases = [case(name, tokenizer, lines) for name, tokenizer in tokenizers.items()]
    return {answer["name"]: answer for answer in compute(engine_source() + DRIVER, [cases])[:-1]}


def case(name: str, tokenizer: Tokenizer, lines: list[str]) -> dict[str, Any]:
    rng = random.Random(7)
    ids = tokenizer.encode_batch(lines, num_threads=1)
    any_ids = [rng.choices(range(tokenizer.vocab_size), k=8) for _ in range(300)]
    return {
        "name": name, "description": describe_tokenizer(tokenizer), "lines": lines, "ids": ids,
        "texts": [tokenizer.decode(row) for row in ids], "random": any_ids,
        "random_texts": [tokenizer.decode(row) for row in any_ids],
        "pieces": [tokenizer.pieces(row) for row in any_ids],
    }  # fmt: skip


@pytest.mark.parametrize("name", [*SETTINGS, "bpe, existing"])
def test_ids_and_texts_are_those_of_sentencepiece(name: str, checked: dict[str, dict[str, Any]]) -> None:
    assert checked[name]["checks"] > 5000
    assert checked[name]["wrong"] == []
