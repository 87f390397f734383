"""Generated sequences: the answers are right, the parts are disjoint, and nothing but the symbols before tells them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import pytest

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.synthetic.induction import InductionHead
from regard.data.corpora.synthetic.mqar import MultiQueryRecall
from regard.data.corpora.synthetic.recall import AssociativeRecall
from regard.data.corpora.synthetic.symbols import CAPITAL, MOST_SYMBOLS, SMALL
from regard.data.corpora.synthetic.synthetic import CHUNK, Synthetic
from regard.errors import UsageError

CORPORA: dict[str, Callable[..., Synthetic]] = {
    "induction": InductionHead,
    "recall": AssociativeRecall,
    "mqar": MultiQueryRecall,
}


@pytest.fixture(params=CORPORA)
def make(request: pytest.FixtureRequest) -> Callable[..., Synthetic]:
    return CORPORA[request.param]


def texts(corpus: Synthetic, split: Any = "test") -> list[str]:
    return [text for (text,) in corpus.records(split)]


def answers_of(corpus: Synthetic, text: str) -> list[tuple[int, str]]:
    symbols = np.array([[corpus.alphabet.index(character) for character in text]])
    return [(int(place), text[place]) for place in corpus.answers(symbols)[0].nonzero()[0]]


def solve(corpus: Synthetic, text: str, place: int) -> set[str]:
    """The symbols that the text before ``place`` allows there, by search for what the last one before it stood with."""
    asked, before = text[place - 1], text[: place - 1]
    return {before[index + 1] for index in range(len(before) - 1) if before[index] == asked}


def test_each_answer_follows_from_the_symbols_before_it(make: Callable[..., Synthetic]) -> None:
    corpus = make()
    corpus.check()
    for text in texts(corpus)[:300]:
        assert len(text) == corpus.text_length
        assert set(text) <= set(corpus.alphabet)
        found = answers_of(corpus, text)
        assert len(found) == corpus.num_answers
        for place, answer in found:
            assert solve(corpus, text, place) == {answer}


def test_induction_examples_have_the_form_of_the_reference() -> None:
    corpus = InductionHead(length=9, vocab_size=8)
    first = Counter()
    for text in texts(corpus):
        assert len(text) == 11
        assert text.count("*") == 2
        assert text[-2] == "*"
        assert set(text) <= set("abcdefg*")
        first[text.index("*")] += 1
    assert set(first) == set(range(7)), "anywhere, but for the last place before the question"


def test_recall_examples_are_pairs_and_a_key_that_occurs() -> None:
    for text in texts(AssociativeRecall(length=12, vocab_size=10)):
        assert len(text) == 15
        assert text[12] == ":"
        keys, values = text[0:12:2], text[1:12:2]
        assert set(keys) <= set("abcd")
        assert set(values) <= set("ABCD")
        assert text[13] in keys


def test_mqar_examples_are_pairs_queries_and_filler() -> None:
    corpus = MultiQueryRecall(length=24, num_pairs=3, vocab_size=16)
    assert set(corpus.alphabet) == set("abcdefgABCDEFGH.")
    for text in texts(corpus):
        pairs = [text[place : place + 2] for place in range(0, 24, 2)]
        assert len({key for key, _ in pairs[:3]}) == len({value for _, value in pairs[:3]}) == 3
        assert sorted(pair for pair in pairs[3:] if pair != "..") == sorted(pairs[:3])
        assert [place for place, _ in answers_of(corpus, text)] == [
            2 * number + 1 for number, pair in enumerate(pairs) if number >= 3 and pair != ".."
        ]


def test_a_model_reads_no_answer_before_the_last_symbol(make: Callable[..., Synthetic]) -> None:
    corpus = make()
    symbols = corpus.chunk(0)
    read, is_answer = corpus.questions(symbols), corpus.answers(symbols)
    assert (read[~is_answer] == symbols[~is_answer]).all()
    if corpus.num_answers > 1:
        assert {corpus.alphabet[symbol] for symbol in read[is_answer].tolist()} == {"."}
    else:
        assert is_answer[:, -1].all()


def test_queries_of_mqar_are_near_the_pairs_unless_the_power_is_one() -> None:
    def mean_place(power: float) -> float:
        symbols = MultiQueryRecall(length=64, num_pairs=1, power=power).chunk(0)
        return float((symbols[:, 2:] < 63).argmax(axis=1).mean()) / 2

    distances = np.arange(1, 32)
    probabilities = distances**-0.99 / (distances**-0.99).sum()
    assert mean_place(0.01) == pytest.approx((probabilities * (distances - 1)).sum(), abs=0.6)
    assert mean_place(1.0) == pytest.approx(15, abs=0.8)


@pytest.mark.parametrize(
    ("corpus", "chance"),
    [(InductionHead(), 1 / 19), (AssociativeRecall(), 1 / 4), (AssociativeRecall(40, 20), 1 / 9)],
)
def test_no_constant_answer_is_better_than_chance(corpus: Synthetic, chance: float) -> None:
    drawn = np.concatenate([corpus.chunk(number)[:, -1] for number in range(8)])
    counts = np.bincount(drawn, minlength=len(corpus.alphabet)) / len(drawn)
    assert counts.max() == pytest.approx(chance, rel=0.15)


def digest() -> str:
    found = []
    for make in CORPORA.values():
        fixed = make(size=30, validation_size=20, test_size=20)
        found += [list(fixed.records(split)) for split in SPLITS]
        found.append(make().chunk(3).tolist())
    return blake2b(repr(found).encode()).hexdigest()


def test_another_process_and_hash_seed_give_the_same_examples() -> None:
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['digest']())"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", code, __file__)
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()


def test_another_seed_gives_other_examples(make: Callable[..., Synthetic]) -> None:
    assert set(texts(make())).isdisjoint(texts(make(seed=2)))
    assert make().fingerprint() != make(seed=2).fingerprint() != make(seed=2, size=7).fingerprint()


def test_a_fixed_size_is_that_many_different_examples_and_parts_are_disjoint(make: Callable[..., Synthetic]) -> None:
    corpus = make(size=3000, validation_size=200, test_size=300)
    parts = [texts(corpus, split) for split in SPLITS]
    assert [len(part) for part in parts] == [3000, 200, 300]
    assert len({text for part in parts for text in part}) == 3500
    fewer = make(size=40, validation_size=200, test_size=300)
    assert texts(fewer, "train") == parts[0][:40]
    assert texts(fewer, "validation") == parts[1]


SMALL_SPACE = {"length": 4, "vocab_size": 6}  # 2 places, 125 fillings: 250 examples


def test_all_different_examples_are_found_before_a_size_is_refused() -> None:
    corpus = InductionHead(**SMALL_SPACE, size=190, validation_size=30, test_size=30)
    parts = [texts(corpus, split) for split in SPLITS]
    assert len({text for part in parts for text in part}) == 250
    with pytest.raises(UsageError, match=r"^data\.size=191: only 190 more different examples were found; lower it, or"):
        texts(InductionHead(**SMALL_SPACE, size=191, validation_size=30, test_size=30), "train")
    with pytest.raises(UsageError, match=r"^data\.test_size=251: only 250 more different examples"):
        texts(InductionHead(**SMALL_SPACE, test_size=251))


def test_endless_training_never_has_an_example_of_another_part() -> None:
    corpus = InductionHead(**SMALL_SPACE, validation_size=100, test_size=100)
    held_out = {*texts(corpus), *texts(corpus, "validation")}
    assert len(held_out) == 200
    drawn = {"".join(corpus.alphabet[symbol] for symbol in row) for row in corpus.chunk(5).tolist()}
    assert len(drawn) == 50
    assert drawn.isdisjoint(held_out)
    with pytest.raises(UsageError, match=r"^data\.size=null: nearly all examples are in the validation and test parts"):
        InductionHead(**SMALL_SPACE, validation_size=125, test_size=125).chunk(0)


def test_an_endless_chunk_is_a_function_of_seed_and_number(make: Callable[..., Synthetic]) -> None:
    corpus = make()
    later, first = corpus.chunk(9), corpus.chunk(0)
    assert later.shape == (CHUNK, corpus.text_length)
    assert (make().chunk(9) == later).all()
    assert len(np.unique(np.concatenate([first, later]), axis=0)) == 2 * CHUNK
    assert texts(corpus, "train")[:3] == [
        "".join(corpus.alphabet[symbol] for symbol in row) for row in islice(first.tolist(), 3)
    ]


def test_every_symbol_is_another_printable_character() -> None:
    assert len(SMALL) == len(CAPITAL) == len(set(SMALL)) == len(set(CAPITAL)) == MOST_SYMBOLS
    assert set(SMALL).isdisjoint(CAPITAL)
    assert (SMALL + CAPITAL).isprintable()
    for make in CORPORA.values():
        largest = make(vocab_size=MOST_SYMBOLS)
        assert MOST_SYMBOLS - 1 <= len(set(largest.alphabet)) == len(largest.alphabet) <= MOST_SYMBOLS


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (InductionHead(length=2), r"data\.length=2: expected an integer >= 3"),
        (AssociativeRecall(length=21), r"data\.length=21: expected an even number >= 2"),
        (AssociativeRecall(vocab_size=4), r"data\.vocab_size=4: expected at least 5"),
        (MultiQueryRecall(length=14), r"data\.length=14: expected an even number >= 16: .* data\.num_pairs=4 pairs"),
        (
            MultiQueryRecall(vocab_size=8),
            r"data\.vocab_size=8: has 3 keys, fewer than data\.num_pairs=4; .* at least 9",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(corpus: Synthetic, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        next(corpus.records("test"))
