"""Vocabularies: decoding restores the text, results are reproducible, and invalid settings are errors."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import sample_lines, train_tokenizer
from regard.errors import RegardError, UsageError

SMALL = TokenizerSettings(vocab_size=120, byte_fallback=False, character_coverage=1.0)
SYLLABLES = ("ka", "lo", "mi", "rü", "sen", "tor", "vel", "ß")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
TEXT = [f"the {a} sees {n % 17} {WORDS[-n]}s, not the {WORDS[n // 2]}" for n, a in enumerate(WORDS)]

ODD = [
    "",
    " ",
    "  two  spaces ",
    "\ud800 alone",
    "nul \x00",
    "漢字 😀",
    "tab\there",
    "line\u2028end\r",
    "▁▁",
    "<s>",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXT, SMALL)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_decoding_restores_the_text(kind: str) -> None:
    tokenizer = train_tokenizer(TEXT, replace(SMALL, kind=kind))
    assert tokenizer.vocab_size == 120
    rows = tokenizer.encode_batch(TEXT)
    assert [tokenizer.decode(row) for row in rows] == TEXT
    assert rows[7] == tokenizer.encode(TEXT[7])
    assert sum(map(len, rows)) < 0.9 * sum(map(len, TEXT))


def test_with_bytes_and_without_normalization_any_text_is_restored() -> None:
    settings = TokenizerSettings(vocab_size=400, add_dummy_prefix=False, remove_extra_whitespaces=False)
    tokenizer = train_tokenizer(TEXT, settings)
    for text in ODD:
        if text not in ("▁▁", "\ud800 alone"):  # SentencePiece's character for a space; not a character
            assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ODD)
def test_encoding_never_fails(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.encode_batch([text, "the karüsen"])[0] == ids
    assert all(UNK <= token < tokenizer.vocab_size for token in ids)
    tokenizer.decode(ids)


def test_special_tokens_are_not_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("the karüsen")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "the karüsen"
    assert "⁇" in tokenizer.decode([*ids, UNK])
    assert tokenizer.pieces([PAD, BOS, EOS, UNK]) == ["<pad>", "<s>", "</s>", "<unk>"]
    assert "".join(tokenizer.pieces(ids)) == "▁the▁karüsen"


def test_pieces_print_on_one_line() -> None:
    settings = replace(SMALL, split_digits=False)
    tokenizer = train_tokenizer(["a\tb\u200bc"] * 3 + TEXT, settings)
    joined = "".join(tokenizer.pieces(tokenizer.encode("a\tb\u200bc")))
    assert joined == "▁a<U+0009>b<U+200B>c"


def test_digits_are_split_with_split_digits() -> None:
    years = [f"in {year} they met" for year in (1984, 2001) for _ in range(50)]
    split = train_tokenizer(years, replace(SMALL, vocab_size=32))
    whole = train_tokenizer(years, replace(SMALL, vocab_size=32, split_digits=False))
    assert sum(piece.strip("▁").isdigit() for piece in split.pieces(split.encode("in 1984"))) == 4
    assert sum(piece.strip("▁").isdigit() for piece in whole.pieces(whole.encode("in 1984"))) < 4


def test_each_normalization_applies_its_rule() -> None:
    text = "\ufb01ne \uff21 Cat"  # a ligature and a full-width letter
    for rule, expected in (("identity", text), ("nfkc", "fine A Cat"), ("nmt_nfkc_cf", "fine a cat")):
        learned = train_tokenizer([*TEXT, text], replace(SMALL, normalization=rule))
        assert learned.decode(learned.encode(text)) == expected


def test_copies_are_equal_and_encode_the_same(tokenizer: Tokenizer) -> None:
    for other in (
        pickle.loads(pickle.dumps(tokenizer)),
        copy.deepcopy(tokenizer),
        Tokenizer(tokenizer.model),
    ):
        assert (other, hash(other)) == (tokenizer, hash(tokenizer))
        assert other.encode(TEXT[3]) == tokenizer.encode(TEXT[3])
    assert tokenizer != train_tokenizer(TEXT, replace(SMALL, vocab_size=90))


def test_the_same_text_gives_the_same_bytes_in_every_process() -> None:
    """Also with a sample of the lines: SentencePiece's own sampling differs between processes."""
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_tokenizer import *
for kind in ("bpe", "unigram"):
    settings = replace(SMALL, kind=kind, vocab_size=70, input_sentence_size=150)
    print(train_tokenizer(TEXT, settings).model.hex())
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    (first, quiet), (second, _) = (process.communicate() for process in processes)
    assert quiet == ""  # SentencePiece does not write to the terminal
    assert first == second
    assert [len(line) > 1000 for line in first.splitlines()] == [True, True]


def test_a_sample_is_bounded_uniform_and_reproducible() -> None:
    lines = [str(number) for number in range(10_000)]
    drawn = sample_lines(iter(lines), 1000)
    assert drawn == sample_lines(iter(lines), 1000)
    assert len(set(drawn)) == 1000
    assert 4700 < sum(map(int, drawn)) / 1000 < 5300
    assert sample_lines(iter(lines[:10]), 1000) == lines[:10]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_large_names_the_largest_that_works(kind: str) -> None:
    settings = replace(SMALL, kind=kind, vocab_size=5000)
    with pytest.raises(UsageError, match=r"tokenizer\.vocab_size=5000 is more .*at most \d+;") as failure:
        train_tokenizer(TEXT, settings, "the source side")
    assert "the source side" in str(failure.value)
    largest = re.search(r"at most (\d+)", str(failure.value))
    assert largest is not None
    assert train_tokenizer(TEXT, replace(settings, vocab_size=int(largest[1]))).vocab_size == int(largest[1])


def test_a_vocabulary_too_small_names_the_smallest_that_works() -> None:
    with pytest.raises(UsageError, match=r"tokenizer\.vocab_size=10 is less .*at least \d+;") as failure:
        train_tokenizer(TEXT, replace(SMALL, vocab_size=10))
    smallest = re.search(r"at least (\d+)", str(failure.value))
    assert smallest is not None
    train_tokenizer(TEXT, replace(SMALL, vocab_size=int(smallest[1])))


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_a_text_without_lines_is_an_error(lines: list[str]) -> None:
    with pytest.raises(RegardError, match="no line to learn"):
        train_tokenizer(lines, SMALL)


def test_an_error_of_the_reader_is_raised_unchanged() -> None:
    def broken() -> Any:
        yield from TEXT
        raise RegardError("file.en, line 3: not UTF-8")

    with pytest.raises(RegardError, match=r"^file\.en, line 3: not UTF-8$"):
        train_tokenizer(broken(), SMALL)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "wordpiece"}, r"tokenizer\.kind=wordpiece: choose one of bpe, unigram"),
        ({"normalization": "NFKC"}, r"tokenizer\.normalization=NFKC: .*identity, nfkc"),
        ({"joint": "no"}, r"tokenizer\.joint=no: expected true or false"),
        ({"vocab_size": 1000.5}, r"tokenizer\.vocab_size=1000\.5: expected an integer"),
        ({"vocab_size": 261, "byte_fallback": True}, r"vocab_size=261: expected an integer >= 262"),
        ({"input_sentence_size": 0}, r"tokenizer\.input_sentence_size=0"),
        ({"character_coverage": 99.95}, r"tokenizer\.character_coverage=99\.95"),
    ],
)
def test_the_error_of_an_invalid_setting_names_its_key(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TokenizerSettings(**wrong)


def test_bytes_that_are_not_a_model_are_an_error() -> None:
    for junk in (b"", b"junk"):
        with pytest.raises(RegardError, match="not a SentencePiece model"):
            Tokenizer(junk)
