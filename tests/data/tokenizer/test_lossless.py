"""With byte fallback and without normalization, every kind of vocabulary is lossless for any Unicode text."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from regard.data.tokenizer.specials import NUM_SPECIALS
from regard.data.tokenizer.tokenizer import NORMALIZATIONS, Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer

SYLLABLES = ("ka", "lo", "mi", "rü", "sen", "tor", "vel", "ß")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
TEXT = [f"the {a} sees\n\n\t{WORDS[-n]} ▁ 1{n % 7} {WORDS[n // 2]}s,\n" for n, a in enumerate(WORDS)]
SIZES = {"bpe": 340, "unigram": 340, "char": None, "byte": 8000}
LOSSLESS = TokenizerSettings(
    vocab_size=340, character_coverage=1.0, newlines=True, add_dummy_prefix=False, remove_extra_whitespaces=False
)

NASTY = [
    "",
    " ",
    "   leading, trailing and  double   ",
    "\n",
    "\n\n\n a\n",
    "\r\n and \r and \n\r",
    "\ttab\t\t",
    "▁",
    "▁▁ a▁b ▁ ▁\n▁",
    " ▁",
    "▁ \U0010fffd▁",  # with the character that replaces it
    "\x00",
    "a\x00b\x00",
    "".join(map(chr, range(0x20))) + "\x7f\x80\x85\x9f",
    "<s></s><unk><pad>",
    "<0x0A><0xE2><0x96><0x81>",
    " ⁇ \ufffd ⁇",
    "\ufeffbom",
    "👩‍👩‍👧‍👦🏳️‍🌈😀",
    "e\u0301 n\u0303\u0303\u0303 \u0301",
    "\u202eright to left\u202c \u200f\u200e\u2066\u2069",
    "\u0378\U0003ffff\U000e0fff\U0010ffff\uffff\ufffe",  # unassigned, and not characters
    "\u2028\u2029\u00a0\u3000\u200b",
]


def random_text(generator: random.Random) -> str:
    def char() -> str:
        kind = generator.random()
        if kind < 0.3:
            return generator.choice(" \n\t\r▁ka1\x00⁇\ufffd")
        if kind < 0.6:
            return chr(generator.randrange(0xD800))
        return chr(generator.randrange(0xE000, 0x110000))

    return "".join(char() for _ in range(generator.randrange(24)))


@pytest.fixture(scope="module", params=[(kind, prefix) for kind in SIZES for prefix in (False, True)], ids=str)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    kind, prefix = request.param
    settings = replace(LOSSLESS, kind=kind, vocab_size=SIZES[kind], add_dummy_prefix=prefix)
    return train_tokenizer(TEXT, settings)


def test_decoding_restores_any_text_exactly(tokenizer: Tokenizer) -> None:
    generator = random.Random(1)
    texts = [*NASTY, *TEXT, *(random_text(generator) for _ in range(3000))]
    rows = tokenizer.encode_batch(texts)
    assert [tokenizer.decode(row) for row in rows] == texts
    assert [tokenizer.encode(text) for text in texts[:500]] == rows[:500]
    assert min(min(row, default=NUM_SPECIALS) for row in rows) == NUM_SPECIALS


def test_every_newline_is_a_separate_token(tokenizer: Tokenizer) -> None:
    (newline,) = (
        {*tokenizer.encode("a\nb")} - {*tokenizer.encode("a")} - {*tokenizer.encode("b")} - {*tokenizer.encode("ab")}
    )
    for text in (*NASTY, *TEXT):
        assert tokenizer.encode(text).count(newline) == text.count("\n")
    assert tokenizer.pieces([newline]) in (["↵"], ["<0x0A>"])


def test_lines_are_encoded_independently() -> None:
    """A text can therefore be split at its newlines."""
    tokenizer = train_tokenizer(TEXT, LOSSLESS)
    (newline,) = tokenizer.encode("\n")
    for text in (*NASTY, *TEXT):
        first, *rest = (tokenizer.encode(line) for line in text.split("\n"))
        assert tokenizer.encode(text) == sum(([newline, *row] for row in rest), first)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_newlines_and_the_space_character_survive_normalization(normalization: str) -> None:
    tokenizer = train_tokenizer(TEXT, replace(LOSSLESS, normalization=normalization))
    assert tokenizer.decode(tokenizer.encode("ka ▁ lo\nmi\n\nsen\n")) == "ka ▁ lo\nmi\n\nsen\n"


def test_bytes_are_ids() -> None:
    tokenizer = train_tokenizer((), TokenizerSettings(kind="byte"))
    assert tokenizer.vocab_size == NUM_SPECIALS + 256
    for text in (*NASTY, *TEXT):
        assert tokenizer.encode(text) == [NUM_SPECIALS + byte for byte in text.encode()]
    assert tokenizer.pieces(tokenizer.encode("ä ")) == ["<0xC3>", "<0xA4>", "<0x20>"]


def test_a_vocabulary_of_characters_needs_no_size() -> None:
    settings = TokenizerSettings(kind="char", vocab_size=None, byte_fallback=False, character_coverage=1.0)
    text = ["the quick brown 漢字", "ßß"]
    tokenizer = train_tokenizer(text, settings)
    assert tokenizer.vocab_size == NUM_SPECIALS + len({*"".join(text)})
    assert tokenizer.pieces(tokenizer.encode("the 漢")) == ["▁", "t", "h", "e", "▁", "漢"]
    assert train_tokenizer(text, replace(settings, vocab_size=1000)).vocab_size == tokenizer.vocab_size
    most_frequent = train_tokenizer(["aaabbc"] * 9, replace(settings, vocab_size=6, add_dummy_prefix=False))
    assert most_frequent.decode(most_frequent.encode("ab")) == "ab"
    assert "⁇" in most_frequent.decode(most_frequent.encode("c"))


def test_a_document_longer_than_the_maximum_line_is_learned_from() -> None:
    document = "".join(f"the {a}{b} sees " for a in SYLLABLES for b in SYLLABLES) * 300
    assert len(document) > 100_000
    settings = TokenizerSettings(vocab_size=300, character_coverage=1.0)
    tokenizer = train_tokenizer([document], settings)
    assert "▁sees" in tokenizer.pieces(tokenizer.encode("it sees"))
