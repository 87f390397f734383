"""The worker of live pages: translations, continuations and traces of trained models, by messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from regard.data.tokenizer.specials import EOS
from regard.exchange.page.engine import worker_source
from regard.exchange.page.live import describe_generator
from regard.inference.decoding import Sampling
from regard.inference.generate import Writer
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.observe.draw.packing import pack_sentence
from regard.observe.record.trace import Trace, trace
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model

Compute = Callable[..., list[Any]]
SAMPLING = Sampling(0.9, top_k=40, top_p=0.95)
IN_MESSAGES = {"temperature": 0.9, "topK": 40, "topP": 0.95}
NEW_TOKENS, SEED = 40, 3


@pytest.fixture(scope="module")
def translator(finished: RunFolder) -> Translator:
    generator = load_model(find_checkpoint(finished.path)).generator
    assert isinstance(generator, Translator)
    return generator


@pytest.fixture(scope="module")
def language_model(finished_language: RunFolder) -> LanguageModel:
    generator = load_model(find_checkpoint(finished_language.path)).generator
    assert isinstance(generator, LanguageModel)
    return generator


def ask(compute: Compute, generator: Translator | LanguageModel, *requests: dict[str, Any]) -> list[Any]:
    """The answers to requests, without those to the first one, which loads the model."""
    live = describe_generator(generator, "float32")
    load = {"kind": "load", "description": live.description, "weights": live.weights}
    answers = compute(worker_source(), [{"id": number} | each for number, each in enumerate([load, *requests])])
    assert answers[0]["kind"] == "ready"
    assert 0 < answers[0]["deviation"] < 1e-4
    return answers[1:]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_translations_are_those_of_the_verb(
    compute: Compute, translator: Translator, pairs: list[tuple[str, str]], beam_size: int
) -> None:
    sources = [source for source, _ in pairs[::2]]
    examples, _ = translator.source.encode(sources)
    expected = dict(translator.generate(examples, beam_size, alpha=0.8))
    requests = [{"kind": "translate", "text": text, "beamSize": beam_size, "alpha": 0.8} for text in sources]
    answers = ask(compute, translator, *requests)
    done = [answer for answer in answers if answer["kind"] == "done"]
    assert [answer["tokens"] for answer in done] == [expected[row].tokens for row in range(len(sources))]
    assert [answer["text"] for answer in done] == [translator.text(expected[row]) for row in range(len(sources))]


def test_tokens_come_one_by_one_with_what_they_were_chosen_from(compute: Compute, translator: Translator) -> None:
    *tokens, done = ask(compute, translator, {"kind": "translate", "text": "the house", "beamSize": 1, "alpha": 1})
    assert done["kind"] == "done"
    assert not done["wasCut"]
    assert 0 < done["firstSeconds"] <= done["seconds"]
    assert [answer["tokens"] for answer in tokens] == [done["tokens"][: count + 1] for count in range(len(tokens))]
    for answer in tokens:
        assert answer["candidates"][0]["token"] == answer["tokens"][-1]
        assert answer["pieces"] == translator.target_tokenizer.pieces(answer["tokens"])
        assert answer["candidates"][0]["piece"] == answer["pieces"][-1]
        shares = [candidate["probability"] for candidate in answer["candidates"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6


def test_a_source_that_is_too_long_is_cut(compute: Compute, translator: Translator) -> None:
    text = "the red house " * 200
    (example,), cut = translator.source.encode([text])
    assert cut == [0]
    *_, done = ask(compute, translator, {"kind": "translate", "text": text, "beamSize": 1, "alpha": 1})
    assert done["wasCut"]
    assert done["tokens"] == next(translator.generate([example]))[1].tokens


def test_continuations_are_those_of_the_verb_for_the_same_seed(compute: Compute, language_model: LanguageModel) -> None:
    """The prompts: empty, short, longer than the context."""
    prompts = ["", "the house", "the house is red " * 9]
    writer = Writer(language_model, SAMPLING, NEW_TOKENS, 1, SEED, lambda warning: None)
    request = {"kind": "continue", "limit": NEW_TOKENS, "seed": SEED, **IN_MESSAGES}
    answers = ask(compute, language_model, *({**request, "text": prompt} for prompt in prompts))
    done = [answer for answer in answers if answer["kind"] == "done"]
    assert [answer["text"] for answer in done] == ["".join(writer.stream(prompt)) for prompt in prompts]
    assert [answer["wasCut"] for answer in done] == [False, False, True]


def test_the_next_tokens_have_the_probabilities_of_sampling(compute: Compute, language_model: LanguageModel) -> None:
    (answer,) = ask(compute, language_model, {"kind": "next", "text": "the h", **IN_MESSAGES})
    logits = language_model.next_logits(language_model.encode_prompt("the h")[0])
    shares = SAMPLING.probabilities(logits[None])[0]
    for candidate in answer["candidates"]:
        assert candidate["probability"] == pytest.approx(shares[candidate["token"]].item(), abs=1e-5)
    assert len(answer["candidates"]) == 10


def test_a_sampled_token_is_among_its_candidates(compute: Compute, language_model: LanguageModel) -> None:
    request = {"kind": "continue", "text": "the", "limit": 30, "seed": 1, "temperature": 50, "topK": None, "topP": None}
    *tokens, _ = ask(compute, language_model, request)
    assert any(len(answer["candidates"]) == 11 for answer in tokens)
    for answer in tokens:
        assert answer["tokens"][-1] in [candidate["token"] for candidate in answer["candidates"]]


def test_a_new_request_ends_the_one_before(compute: Compute, language_model: LanguageModel) -> None:
    endless = {"kind": "continue", "text": "the", "limit": 10**6, "seed": 1, "temperature": 50, "topK": None}
    following = {"kind": "next", "text": "the h", **IN_MESSAGES, "after": "token"}
    answers = ask(compute, language_model, {**endless, "topP": None}, following)
    assert answers[0]["kind"] == "token"
    assert [answer["kind"] for answer in answers if answer["kind"] != "token"] == ["next"]


def test_a_failure_is_answered(compute: Compute, language_model: LanguageModel) -> None:
    with pytest.raises(AssertionError, match="TypeError"):
        ask(compute, language_model, {"kind": "translate", "text": "a", "beamSize": 1, "alpha": 1})


@pytest.mark.parametrize("text", ["the red house is very, very  big", "größer ▁ 😀\u3000x"])
def test_a_sentence_is_what_the_attention_page_shows(
    compute: Compute, translator: Translator, language_model: LanguageModel, text: str
) -> None:
    output = "das Haus ist sehr groß"
    traced = {"kind": "trace", "text": text, "output": output}
    (found, given) = ask(compute, translator, traced, {**traced, "tokens": [9, 8, 9]})
    assert given["sentence"]["target"] == translator.target_tokenizer.pieces([9, 8, 9, EOS])
    assert_same_sentence(found, trace(translator, text, output))
    (found,) = ask(compute, language_model, {"kind": "trace", "output": text[:16]})
    assert_same_sentence(found, trace(language_model, None, text[:16]))


def assert_same_sentence(found: dict[str, Any], expected: Trace) -> None:
    """Weights are rounded to steps of 1/255, and candidates of nearly equal probability may be in another order."""
    sentence, packed = found["sentence"], pack_sentence(expected)
    for key in ("sourceText", "targetText", "source", "prefix", "target", "words", "grid", "image", "vectors"):
        assert sentence[key] == packed[key], key
    assert sentence["maps"].keys() == expected.maps.maps.keys()
    for name, weights in expected.maps.maps.items():
        about: Any = packed["maps"]
        for key in ("entropy", "wordEntropy"):
            np.testing.assert_allclose(sentence["maps"][name][key], about[name][key], atol=1e-3)
        steps = np.array(sentence["maps"][name]["bytes"]).reshape(weights.shape)
        np.testing.assert_allclose(steps / 255, weights, atol=1 / 500)
        for key, vectors in zip(("query", "key", "value"), expected.vectors[name], strict=True):
            floats = np.array(found["floats"][name][key]).reshape(vectors.shape)
            np.testing.assert_allclose(floats, vectors, atol=1e-4)
    for view, keys in {
        "likelihood": ("logits", "candidateLogits", "logSums"),
        "lens": ("probabilities", "candidateProbabilities"),
    }.items():
        for key in keys:
            about = packed[view]
            np.testing.assert_allclose(sentence[view][key], about[key], atol=1e-3)
    assert sentence["lens"]["layers"] == expected.lens.layers
    assert sentence["likelihood"]["candidates"][0][0] == expected.likelihood.candidates[0][0]
    assert np.abs(np.array(sentence["lens"]["ranks"]) - expected.lens.ranks).max() <= 1
