"""Pieces as words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from regard.data.tokenizer.model_proto import byte_model
from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.observe.record.words import group_words, merge_words, spaced


def spelt(pieces: Sequence[str]) -> list[list[str]]:
    return [[pieces[place] for place in word] for word in group_words(pieces)]


def test_words_begin_at_spaces_and_marks_stand_apart() -> None:
    pieces = ["<s>", "▁Mon", "tag", ",", "▁", "2", ".", "▁August", "</s>"]
    assert spelt(pieces) == [["▁Mon", "tag", ","], ["▁", "2", "."], ["▁August"]]
    assert spelt(["▁a", "▁", "▁b", "</s>"]) == [["▁a"], ["▁", "▁b"]]
    assert spelt(["a", "<unk>", "▁b", "▁", "</s>"]) == [["a", "<unk>"], ["▁b"]]
    assert group_words(["<s>", "</s>"]) == []


def test_a_piece_over_two_words_belongs_to_both() -> None:
    assert group_words(["▁in", "▁New▁York", "er", "</s>"]) == [range(1), range(1, 2), range(1, 3)]


TEXTS = ["Montag, 2. August 2038", "a  b\tc", " two men ", "x", "3,50 € oder", "日本 語", "no\u00a0break", "<0x20> a"]


@pytest.mark.parametrize("kind", ["bpe", "char", "byte"])
@pytest.mark.parametrize("text", TEXTS)
def test_there_are_as_many_words_as_white_space_makes(kind: str, text: str) -> None:
    if kind == "byte":
        tokenizer = Tokenizer(byte_model())
    else:
        options = {"vocab_size": 300} if kind == "bpe" else {"vocab_size": None}
        tokenizer = train_tokenizer(["Montag, 2. August 2038 oder 3,50"] * 3, TokenizerSettings(kind, **options))
    ids = tokenizer.encode(text)
    words = group_words([*tokenizer.pieces(ids), "</s>"])
    assert len(words) == len(text.split())
    assert [tokenizer.decode(ids[word.start : word.stop]).split() for word in words] == [[w] for w in text.split()]
    assert EOS not in ids


def test_a_space_that_the_vocabulary_has_not_parts_words_none_the_less() -> None:
    settings = TokenizerSettings("char", vocab_size=None, byte_fallback=False, normalization="identity")
    tokenizer = train_tokenizer(["no break"] * 3, settings)
    text = "no\u202fbreak\u00a0 ok"
    assert len(group_words(tokenizer.pieces(tokenizer.encode(text)))) < 3 == len(text.split())
    assert len(group_words(tokenizer.pieces(tokenizer.encode(spaced(text))))) == 3


def test_weights_are_summed_over_a_keys_pieces_and_averaged_over_a_querys() -> None:
    weights = np.array([[[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.2, 0.2], [0.0, 0.0, 0.9, 0.1]]])
    merged = merge_words(weights, [range(2), range(2, 3)], [range(2), range(2, 3)])
    np.testing.assert_allclose(merged, [[[0.45, 0.25], [0.0, 0.9]]])
