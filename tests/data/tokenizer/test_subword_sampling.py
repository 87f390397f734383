"""Subword regularisation: other segmentations of the same text, reproducible with the same seed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece

from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import UsageError

SYLLABLES = ("ka", "lo", "mi", "rü", "sen", "tor", "vel", "ß")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
TEXT = [f"the {a} sees\n {WORDS[-n]} {n % 7} {WORDS[n // 2]}s" for n, a in enumerate(WORDS)]
SETTINGS = TokenizerSettings(
    vocab_size=340, newlines=True, character_coverage=1.0, add_dummy_prefix=False, remove_extra_whitespaces=False
)


def learned(kind: str) -> Tokenizer:
    return train_tokenizer(TEXT, replace(SETTINGS, kind=kind))


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return learned(request.param)


def test_the_text_is_unchanged_and_its_segmentation_differs(tokenizer: Tokenizer) -> None:
    texts = [*TEXT, "", "▁ 漢字 😀\x00 ▁", " a \n\n b "]
    rows = tokenizer.encode_batch(texts)
    sampled = tokenizer.sample(rows, 0.2, seed=1)
    assert [tokenizer.decode(row) for row in sampled] == texts
    assert sum(a != b for a, b in zip(rows, sampled, strict=True)) > 0.5 * len(rows)
    assert sum(map(len, rows)) < sum(map(len, sampled)) < sum(map(len, texts)) + 40
    again = tokenizer.sample(sampled, 0.2, seed=2)  # a sample can be sampled
    assert [tokenizer.decode(row) for row in again] == texts


def test_samples_depend_on_the_seed(tokenizer: Tokenizer) -> None:
    rows = tokenizer.encode_batch(TEXT)
    first = tokenizer.sample(rows, 0.2, seed=1)
    others = [tokenizer.sample(rows, 0.2, seed) for seed in (0, 2, 2**32 - 1, 2**40 + 5, -1)]
    assert tokenizer.sample(rows, 0.2, seed=1) == first
    assert len({str(sample) for sample in (first, *others)}) == 6
    assert tokenizer.sample(rows, 0.2, seed=2**32 - 1) == others[2]
    assert tokenizer.sample([], 0.2, seed=1) == []


def test_another_process_samples_the_same() -> None:
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_subword_sampling import *
for kind in ("bpe", "unigram"):
    tokenizer = learned(kind)
    tokenizer.encode_batch(TEXT[:%d])
    print(tokenizer.sample(tokenizer.encode_batch(TEXT), 0.2, 5))
"""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", script % count],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for count in (0, 50)
    )
    assert first == second
    assert len(first) > 1000


def test_the_distribution_is_that_of_sentencepiece(tokenizer: Tokenizer) -> None:
    """Each segmentation of one text is sampled as often."""
    (row,) = tokenizer.encode_batch(["the kalo sees"])
    many = 20_000
    ours = Counter(map(tuple, tokenizer.sample([row] * many, 0.1, seed=3)))
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    theirs = Counter(
        tuple(processor.encode("the kalo sees", enable_sampling=True, alpha=0.1, nbest_size=-1)) for _ in range(many)
    )
    assert len(ours) > 5
    assert sum(abs(ours[cut] - theirs[cut]) for cut in ours | theirs) < 0.08 * many


def test_alpha_of_bpe_is_the_share_of_dropped_merges() -> None:
    tokenizer = learned("bpe")
    rows = tokenizer.encode_batch(TEXT)
    none, some, many, every = (sum(map(len, tokenizer.sample(rows, alpha, seed=1))) for alpha in (1e-6, 0.1, 0.5, 1.0))
    assert none == sum(map(len, rows)) < some < many < every == sum(map(len, TEXT))


def test_a_larger_alpha_of_unigram_samples_fewer_pieces() -> None:
    tokenizer = learned("unigram")
    rows = tokenizer.encode_batch(TEXT)
    lengths = [sum(map(len, tokenizer.sample(rows, alpha, seed=1))) for alpha in (0.01, 0.3, 1.0)]
    assert lengths == sorted(lengths, reverse=True)


def test_special_tokens_and_bytes_of_characters_are_unchanged(tokenizer: Tokenizer) -> None:
    word, smile = tokenizer.encode("the karüsen sees " * 9), tokenizer.encode("😀")
    row = [BOS, *word, UNK, *smile[:2], *word, *smile, EOS, *word, PAD]
    (sampled,) = tokenizer.sample([row], 0.5, seed=1)
    assert sampled != row
    assert tokenizer.decode(sampled) == tokenizer.decode(row)
    kept = {BOS, UNK, EOS, PAD, *smile}
    assert [token for token in sampled if token in kept] == [token for token in row if token in kept]


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_a_vocabulary_with_a_unique_segmentation_is_an_error(kind: str) -> None:
    tokenizer = train_tokenizer(TEXT, TokenizerSettings(kind, vocab_size=None if kind == "char" else 8000))
    with pytest.raises(UsageError, match=r"^batches\.sampling_alpha=0\.1: .*tokenizer=bpe"):
        tokenizer.sample([[5, 6]], 0.1, seed=1)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.5, float("nan")])
def test_an_alpha_out_of_range_is_an_error(alpha: float, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match=r"^batches\.sampling_alpha=\S+: expected a number in \(0, 1\]"):
        tokenizer.sample([[5, 6]], alpha, seed=1)
