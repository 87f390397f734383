"""The measures of a sample are the measures of single sentences, put together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regard.data.corpora.links import parse_links
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.transformer import Transformer
from regard.observe.measure.ablation import mean_loss
from regard.observe.measure.alignment import Aligner, count_links
from regard.observe.measure.head_measures import measure_heads
from regard.observe.measure.heads import mean_measures, rare_pieces, row_measures
from regard.observe.record.forced import block_batches, pair_batches
from regard.observe.record.trace import trace


def test_a_sample_is_measured_as_its_sentences_are(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, pairs: list[tuple[str, str]]
) -> None:
    translator = Translator(make_model(vocab_size=70, max_length=64), Tokenizers(tokenizer, tokenizer))
    some = [pairs[0], pairs[80], pairs[40]]
    batches, _ = pair_batches(translator, some, tokens_per_batch=30)
    links = [parse_links("0-0 1-1 2-2 3-3"), parse_links("0-0 1-1"), parse_links("1-1 3-3")]
    found = measure_heads(translator, batches, dict(enumerate(links)))
    alone = [trace(translator, *pair).maps for pair in some]
    rare = rare_pieces(one.source for one in alone)
    for name in ("encoder.1.self", "decoder.0.cross"):
        kind = "encoder.self" if name.startswith("encoder") else "decoder.cross"
        expected = mean_measures(row_measures(one.maps[name], kind, one.source, rare) for one in alone)
        assert expected.keys() == found.heads[name].keys() - {"importance", "agreement"}
        for measure, values in expected.items():
            np.testing.assert_allclose(found.heads[name][measure], values, atol=1e-5)
    for head in (0, 1):
        shares = []
        for moment in ("written", "read"):
            aligner = Aligner(1, head, moment)
            shares.append(count_links(zip((aligner.links(one) for one in alone), links, strict=True)).precision)
        assert found.heads["decoder.1.cross"]["agreement"][head] == pytest.approx(max(shares))
    assert "agreement" not in found.heads["decoder.1.self"]
    assert found.loss == pytest.approx(mean_loss(translator.model, batches))
    rows = list(found.rows())
    assert [(row["map"], row["head"]) for row in rows[:3]] == [
        ("encoder.0.self", 0), ("encoder.0.self", 1), ("encoder.0.self", "uniform"),
    ]  # fmt: skip
    assert len(rows) == 6 * 3
    entropies = [row["entropy"] for row in rows if row["map"] == "encoder.0.self"]
    assert max(entropies) == entropies[2], "no head is more spread than one that reads all alike"


def test_blocks_of_text_are_measured_without_their_padding(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer
) -> None:
    model = make_model(encoder=False, vocab_size=70, max_length=8)
    ids = np.array([1, *tokenizer.encode("the house is very, very red, very red")[:9]])
    blocks = [(ids[:8], ids[1:9], np.zeros(8, dtype=int)), (ids[8:9], ids[9:10], np.zeros(1, dtype=int))]
    batches = block_batches(blocks)
    found = measure_heads(LanguageModel(model, Tokenizers(tokenizer, tokenizer)), batches, {})
    assert list(found.heads) == ["decoder.0.self", "decoder.1.self"]
    # One row of the second block: all of its weight is on itself, and on the first token.
    first = measure_heads(LanguageModel(model, Tokenizers(tokenizer, tokenizer)), block_batches(blocks[:1]), {})
    for name, own in found.heads.items():
        for measure in ("same", "first"):
            np.testing.assert_allclose(own[measure], (first.heads[name][measure] * 8 + 1) / 9, atol=1e-6)
    assert "agreement" not in found.heads["decoder.0.self"]


def test_isolated_documents_are_measured_apart(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> None:
    model = make_model(encoder=False, vocab_size=70, max_length=16)
    words = [1, *tokenizer.encode("the house is red, the roof")][:8]
    documents = np.repeat([0, 1], 8)
    both = (np.array(words * 2), np.array([*words[1:], 2] * 2), documents)
    alone = (both[0][:8], both[1][:8], documents[:8])
    packed = measure_heads(
        LanguageModel(model, Tokenizers(tokenizer, tokenizer)), block_batches([both], isolate_documents=True), {}
    )
    single = measure_heads(LanguageModel(model, Tokenizers(tokenizer, tokenizer)), block_batches([alone]), {})
    assert packed.loss == pytest.approx(single.loss, rel=1e-5)
    for name, expected in single.heads.items():
        assert packed.heads[name].keys() == expected.keys()
        for found, wanted in ((packed.heads[name], expected), (packed.uniform[name], single.uniform[name])):
            for measure, values in wanted.items():
                if measure != "rare":  # which is counted in the whole sample
                    np.testing.assert_allclose(found[measure], values, atol=1e-5, err_msg=measure)
