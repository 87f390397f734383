"""Alignments read from maps whose answers are known, and their distance to those that are right."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from regard.data.corpora.links import parse_links
from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.translator import Translator
from regard.model.transformer import Transformer
from regard.observe.measure.alignment import (
    Aligner,
    LinkCounts,
    all_aligners,
    count_links,
    diagonal_links,
    rank_aligners,
)
from regard.observe.measure.occlusion import prediction_difference
from regard.observe.record.forced import batch_maps, pair_batches
from regard.observe.record.maps import SentenceMaps
from regard.observe.record.trace import trace


def reading(*columns: int, keys: int) -> np.ndarray:
    return np.eye(keys, dtype=np.float32)[list(columns)]


SOURCE, TARGET = ["▁Aug", "ust", "▁2", "</s>"], ["▁2", ".", "▁August", "</s>"]


def sentence() -> SentenceMaps:
    """Head 0 reads the right word when a token is written, head 1 a row later, head 2 the end."""
    written = reading(2, 2, 1, 3, keys=4)
    late = reading(3, 2, 2, 0, keys=4)
    marks = reading(3, 3, 3, 3, keys=4) * 0.9 + reading(0, 0, 0, 0, keys=4) * 0.1
    maps = {"decoder.0.cross": np.stack([written, late, marks]), "decoder.0.self": np.zeros((3, 4, 4), np.float32)}
    return SentenceMaps(SOURCE, ["<s>", *TARGET[:-1]], TARGET, maps)


def test_a_head_is_read_as_words_are_written_or_read() -> None:
    assert Aligner(0, 0, "written").links(sentence()) == {(1, 0), (0, 1)}
    assert Aligner(0, 1, "read").links(sentence()) == {(1, 0), (0, 1)}
    assert Aligner(0, 1, "written").links(sentence()) != {(1, 0), (0, 1)}
    assert Aligner(0, 2, "written").links(sentence()) == {(0, 0), (0, 1)}, "what marks get does not count"
    with pytest.raises(KeyError):
        Aligner(1, 0, "read").links(sentence())


def test_the_best_is_found_and_all_are_tried() -> None:
    ranked = rank_aligners([(sentence(), parse_links("1-0 0-1"))] * 2)
    assert len(ranked) == 8 == len(list(all_aligners(sentence())))
    best = [aligner for aligner, comparison in ranked.items() if comparison.error_rate == 0]
    assert best[0] == next(iter(ranked))
    assert {Aligner(0, 0, "written"), Aligner(0, 1, "read")} <= set(best)
    assert Aligner(0, 2, "written") not in best
    rates = [comparison.error_rate for comparison in ranked.values()]
    assert rates == sorted(rates)
    assert rank_aligners([]) == {}


def test_the_error_rate_is_that_of_och_and_ney() -> None:
    gold = parse_links("0-0 1-1 2?1 2?2")
    found = frozenset({(0, 0), (2, 1), (2, 0)})
    comparison = count_links([(found, gold)])
    assert comparison == LinkCounts(found=3, sure=2, found_sure=1, found_possible=2)
    assert comparison.precision == pytest.approx(2 / 3)
    assert comparison.recall == pytest.approx(1 / 2)
    assert comparison.error_rate == pytest.approx(1 - (1 + 2) / (3 + 2))
    # A corpus is counted together, not the mean of its sentences.
    both = count_links([(found, gold), (frozenset({(0, 0)}), parse_links("0-0"))])
    assert both.error_rate == pytest.approx(1 - (2 + 3) / (4 + 3))
    assert count_links([(gold.sure, gold)]).error_rate == 0
    assert math.isnan(count_links([]).error_rate)


def test_the_diagonal() -> None:
    assert diagonal_links(3, 3) == {(0, 0), (1, 1), (2, 2)}
    assert diagonal_links(2, 4) == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert diagonal_links(4, 2) == {(1, 0), (3, 1)}
    assert diagonal_links(0, 2) == frozenset()


@pytest.fixture
def translator(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> Translator:
    return Translator(make_model(vocab_size=70, max_length=64), Tokenizers(tokenizer, tokenizer))


def test_batches_give_the_maps_of_each_pair(translator: Translator, pairs: list[tuple[str, str]]) -> None:
    some = [pairs[0], pairs[80], ("", "das"), pairs[40]]
    batches, cut = pair_batches(translator, some, tokens_per_batch=30)
    assert len(batches) > 1
    assert cut == []
    found = {row: maps for batch in batches for row, maps in batch_maps(translator, batch)}
    assert sorted(found) == [0, 1, 2, 3]
    for row, (source, target) in enumerate(some):
        alone = trace(translator, source, target).maps
        assert (found[row].source, found[row].prefix, found[row].target) == (alone.source, alone.prefix, alone.target)
        for name, weights in alone.maps.items():
            np.testing.assert_allclose(found[row].maps[name], weights, atol=1e-5)
    assert pair_batches(translator, [("the " * 80, "das"), pairs[0]])[1] == [0]


def test_a_word_left_out_is_a_source_without_it(translator: Translator) -> None:
    source, target = "the house is red", "das Haus ist rot"
    falls = prediction_difference(translator, source, target)
    assert falls.shape == (4, 4)
    (wanted,), _ = translator.encode_targets([target])
    (whole, without), _ = translator.source.encode([source, "the is red"])
    before, after = translator.log_probabilities([whole, without], [wanted, wanted])
    haus = translator.target_tokenizer.pieces(wanted).index("▁ist")
    das = next(place for place in range(1, haus) if translator.target_tokenizer.pieces(wanted)[place].startswith("▁"))
    expected = sum(before[das:haus]) - sum(after[das:haus])
    assert falls[1, 1] == pytest.approx(expected, abs=1e-5)
    assert prediction_difference(translator, "", target).shape == (4, 0)
    assert prediction_difference(translator, "the", "").shape == (0, 1)
    assert wanted[-1] == EOS
