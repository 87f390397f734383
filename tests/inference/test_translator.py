"""Translator: translations do not depend on batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from regard.data.tokenizer.specials import EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.inference.decoding import Hypothesis
from regard.inference.translator import Translator
from regard.model.transformer import Transformer

TEXTS = ["the red house", "the boat is black", "", "a", "the horse is very, very, very white", "sheet, sheet"]


@pytest.fixture(scope="module")
def translator(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> Translator:
    model = make_model(seed=3, vocab_size=tokenizer.vocab_size, max_length=24)
    with torch.no_grad():  # some outputs end
        end = model.decoder.embedding.tokens.weight[EOS]
        model.decoder.norm.bias += 2 * end / end.square().sum()
    return Translator(model, Tokenizers(tokenizer, tokenizer))


def translated(translator: Translator, **options: float) -> list[Hypothesis]:
    rows, _ = translator.source.encode(TEXTS)
    found = dict(translator.generate(rows, **options))
    return [found[number] for number in range(len(TEXTS))]


def test_long_texts_are_cut_and_reported(translator: Translator) -> None:
    long = " ".join(["the boat is black"] * 10)
    rows, cut = translator.source.encode(["the boat", long, ""])
    assert cut == [1]
    assert [row[-1] for row in rows] == [EOS] * 3
    assert len(rows[1]) == 24
    assert rows[1][:-1] == translator.source.tokenizer.encode(long)[:23]
    assert rows[0] == [*translator.source.tokenizer.encode("the boat"), EOS]
    assert rows[2] == [EOS]


def test_a_text_of_exactly_the_maximum_length_is_not_cut(translator: Translator) -> None:
    ids = translator.source.tokenizer.encode(" ".join(["the boat is black"] * 10))
    text = translator.source.tokenizer.decode(ids[:23])
    assert len(translator.source.tokenizer.encode(text)) == 23
    assert translator.source.encode([text])[1] == []


@pytest.mark.parametrize("beam_size", [1, 3])
def test_batches_change_only_the_order(translator: Translator, beam_size: int) -> None:
    alone = translated(translator, beam_size=beam_size, tokens_per_batch=1)
    together = translated(translator, beam_size=beam_size, tokens_per_batch=4096)
    assert [found.tokens for found in alone] == [found.tokens for found in together]
    for one, other in zip(alone, together, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_long_sentences_come_first_and_batches_are_within_the_budget(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, decode = [], Translator.decode

    def spy(self: Translator, source: torch.Tensor, *options: float) -> list[Hypothesis]:
        shapes.append(tuple(source.shape))
        return decode(self, source, *options)

    monkeypatch.setattr(Translator, "decode", spy)
    rows, _ = translator.source.encode(TEXTS)
    order = [number for number, _ in translator.generate(rows, beam_size=3, tokens_per_batch=90)]
    lengths = [len(rows[number]) for number in order]
    assert lengths == sorted(lengths, reverse=True)
    assert all(count * length * 3 <= 90 for count, length in shapes)
    assert max(count for count, _ in shapes) > 1


def test_outputs_are_at_most_ten_tokens_longer_than_twice_the_source(translator: Translator) -> None:
    for row, found in zip(translator.source.encode(TEXTS)[0], translated(translator), strict=True):
        assert len(found.tokens) <= min(2 * len(row) + 10, 23)


def test_no_texts_have_no_translations(translator: Translator) -> None:
    assert list(translator.generate([])) == []


def test_text_is_detokenised(translator: Translator) -> None:
    tokens = [*translator.target_tokenizer.encode("das Haus ist grün"), EOS]
    assert translator.text(Hypothesis(tokens, 0.0)) == "das Haus ist grün"


def test_a_language_model_does_not_translate(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> None:
    model = make_model(encoder=False, vocab_size=tokenizer.vocab_size)
    with pytest.raises(TypeError):
        Translator(model, Tokenizers(tokenizer, tokenizer)).decode(torch.tensor([[5, EOS]]))
