"""Language models: generation and scores do not depend on batches, caches and cuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.data.tokenizer.specials import BOS, EOS, PAD
from regard.data.tokenizer.tokenizer import Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel

MAX_LENGTH = 14
PROMPTS = [[BOS], [40, 41, 42], [BOS, 70, 80, 90, 100, 110], [200], list(range(30, 30 + MAX_LENGTH)), [40, 41, 43]]
SAMPLINGS = [Sampling(0.0), Sampling(1.0), Sampling(1.3, top_k=20), Sampling(0.9, top_p=0.8)]
every_sampling = pytest.mark.parametrize("sampling", SAMPLINGS, ids=["greedy", "all", "top k", "top p"])

MakeLanguageModel = Callable[..., LanguageModel]


@pytest.fixture(scope="module")
def make(make_model: Callable[..., torch.nn.Module]) -> MakeLanguageModel:
    """Makes a random model of bytes. The logits of the tokens ``likely`` are raised."""
    tokenizer = train_tokenizer((), TokenizerSettings(kind="byte"))

    def make(likely: Sequence[int] = (), by: float = 3.0, **options: object) -> LanguageModel:
        model = make_model(
            **{"encoder": False, "seed": 4, "max_length": MAX_LENGTH, "vocab_size": tokenizer.vocab_size} | options
        )
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "layers" in name and parameter.ndim == 2:
                    parameter *= 3  # the context has more effect than the token itself
            for token in likely:
                vector = model.decoder.embedding.tokens.weight[token]
                model.decoder.norm.bias += by * vector / vector.square().sum()
        return LanguageModel(model, Tokenizers(tokenizer, tokenizer))

    return make


@pytest.fixture(scope="module")
def language_model(make: MakeLanguageModel) -> LanguageModel:
    """A model that sometimes ends a document."""
    return make(likely=[EOS], by=2.0)


@torch.inference_mode()
def logits_after(language_model: LanguageModel, window: Sequence[int]) -> Tensor:
    """Logits of the next token from one pass of the whole model, without ``<pad>`` and ``<s>``."""
    logits = language_model.model(torch.tensor([window]))[:, -1]
    logits[:, [PAD, BOS]] = -torch.inf
    return logits


def plainly(
    language_model: LanguageModel, prompt: Sequence[int], sampling: Sampling, count: int, seed: Sequence[int]
) -> list[int]:
    """Generate without cache and batch: read the whole text or, if the context is full, its last half."""
    text, window, generator = list(prompt), list(prompt), np.random.default_rng(seed)
    while len(text) < len(prompt) + count:
        uniform = torch.tensor([generator.random()], dtype=torch.float64)
        token = int(sampling.draw(logits_after(language_model, window), uniform))
        if token == EOS:
            break
        text.append(token)
        window = [*window, token] if len(window) < MAX_LENGTH else text[-(MAX_LENGTH // 2) :]
    return text[len(prompt) :]


@every_sampling
def test_generation_is_independent_of_batch_and_cache(language_model: LanguageModel, sampling: Sampling) -> None:
    together = language_model.continue_prompts(PROMPTS, sampling, 40, seed=3)
    for row, (prompt, written) in enumerate(zip(PROMPTS, together, strict=True)):
        alone = [token for _, token in language_model.generate([prompt], sampling, 40, [[3, row]])]
        assert alone == written
        assert plainly(language_model, prompt, sampling, 40, [3, row]) == written
    if sampling.temperature:
        assert len({len(written) for written in together}) > 2, "rows end at different times"
        assert max(map(len, together)) > MAX_LENGTH, "and go on past the context"


def test_tokens_are_yielded_as_they_are_sampled(language_model: LanguageModel) -> None:
    seeds = [[3, row] for row in range(len(PROMPTS))]
    drawn = list(language_model.generate(PROMPTS, Sampling(), 9, seeds))
    written = language_model.continue_prompts(PROMPTS, Sampling(), 9, seed=3)
    assert [[token for row, token in drawn if row == number] for number in range(len(PROMPTS))] == written
    first = language_model.generate(PROMPTS, Sampling(), 10**9, seeds)
    assert next(first) == drawn[0], "without waiting for the rest"


def test_the_end_of_a_document_is_not_yielded(make: MakeLanguageModel) -> None:
    assert make(likely=[EOS], by=20.0).continue_prompts(PROMPTS, Sampling(), 5, seed=1) == [[]] * len(PROMPTS)
    endless = make(likely=[EOS], by=-20.0).continue_prompts(PROMPTS, Sampling(), 3 * MAX_LENGTH, seed=1)
    assert [len(written) for written in endless] == [3 * MAX_LENGTH] * len(PROMPTS)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_number_of_new_tokens_is_limited(make: MakeLanguageModel, count: int) -> None:
    found = make(likely=[EOS], by=-20.0).continue_prompts(PROMPTS, Sampling(), count, seed=1)
    assert [len(written) for written in found] == [count] * len(PROMPTS)


def test_no_prompts_have_no_continuations(language_model: LanguageModel) -> None:
    assert language_model.continue_prompts([], Sampling(), 5, seed=1) == []


@pytest.mark.parametrize("max_length", [1, 2, 3])
def test_the_smallest_contexts_work(make: MakeLanguageModel, max_length: int) -> None:
    model = make(likely=[EOS], by=-20.0, max_length=max_length)
    assert [len(written) for written in model.continue_prompts([[BOS], [40]], Sampling(), 8, seed=1)] == [8, 8]


@every_sampling
def test_padding_and_begin_are_never_sampled(make: MakeLanguageModel, sampling: Sampling) -> None:
    model = make(likely=[PAD, BOS], by=20.0)
    assert int(model.model(torch.tensor([[40]]))[0, -1].argmax()) in (PAD, BOS), "they would be"
    written = model.continue_prompts(PROMPTS, sampling, 20, seed=1)
    assert not {PAD, BOS} & {token for row in written for token in row}
    assert sum(map(len, written)) > 20
    assert model.next_logits([40])[[PAD, BOS]].tolist() == [-torch.inf] * 2


def test_the_seed_determines_the_continuations(language_model: LanguageModel) -> None:
    prompts = [[40, 41]] * 3
    once, again, other = (language_model.continue_prompts(prompts, Sampling(), 12, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert len({tuple(written) for written in once + other}) == 6, "and each row has its own"


def test_a_number_close_to_one_does_not_sample_an_impossible_token(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Highest:
        def random(self) -> float:
            return 1 - 2**-53  # the largest number of a generator

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Highest())
    likely = Sampling(top_k=5).probabilities(logits_after(language_model, [40]))[0].nonzero()[:, 0].tolist()
    ((_, token),) = language_model.generate([[40]], Sampling(top_k=5), 1, [[1]])
    assert token == max(likely) != language_model.target_tokenizer.vocab_size - 1


def test_only_the_last_logits_of_a_long_prompt_are_computed(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding, sizes = language_model.model.decoder.embedding, []
    logits = type(embedding).logits
    monkeypatch.setattr(embedding, "logits", lambda hidden: sizes.append(hidden.shape) or logits(embedding, hidden))
    language_model.continue_prompts([[40] * MAX_LENGTH] * 3, Sampling(), 2, seed=1)
    assert all(len(size) == 2 and size[0] <= 3 for size in sizes), sizes


def test_next_logits_equal_those_of_a_whole_pass(language_model: LanguageModel) -> None:
    for prompt in PROMPTS:
        expected = logits_after(language_model, prompt)[0]
        torch.testing.assert_close(language_model.next_logits(prompt), expected, rtol=0, atol=1e-4)


def test_a_long_prompt_is_cut_to_its_end_and_an_empty_one_is_a_beginning(language_model: LanguageModel) -> None:
    encode = language_model.target_tokenizer.encode
    assert language_model.encode_prompt("") == ([BOS], False)
    assert language_model.encode_prompt("abc") == (encode("abc"), False)
    assert language_model.encode_prompt("x" * MAX_LENGTH) == (encode("x" * MAX_LENGTH), False)
    assert language_model.encode_prompt("ab" + "x" * (MAX_LENGTH - 1)) == (encode("b" + "x" * (MAX_LENGTH - 1)), True)


TEXTS = ["abc", "", "über", "a longer one, cut in three parts", "x" * (MAX_LENGTH - 1), "y" * MAX_LENGTH]


@torch.inference_mode()
def plain_score(language_model: LanguageModel, text: str, max_length: int) -> list[tuple[int, float]]:
    """Score token by token, with the context of each token that `log_probabilities` documents."""
    ids, half = [BOS, *language_model.target_tokenizer.encode(text), EOS], max(1, max_length // 2)
    scored = []
    for place in range(1, len(ids)):
        start = 0
        while place - start > max_length:
            start += half
        assert start == 0 or place - start > max_length - half, "half a context at least"
        logits = language_model.model(torch.tensor([ids[start:place]]))[0, -1]
        scored.append((ids[place], float(logits.log_softmax(dim=-1)[ids[place]])))
    return scored


@pytest.mark.parametrize("max_length", [1, 9, MAX_LENGTH, 100])
def test_every_token_is_scored_once_given_the_tokens_before_it(make: MakeLanguageModel, max_length: int) -> None:
    model = make(max_length=max_length)
    found, *others = (model.log_probabilities(TEXTS, tokens_per_batch) for tokens_per_batch in (8192, 1, 40))
    for other in others:
        for one, two in zip(found, other, strict=True):
            assert one == [(token, pytest.approx(value, abs=1e-4)) for token, value in two]
    for text, scored in zip(TEXTS, found, strict=True):
        expected = plain_score(model, text, max_length)
        assert [token for token, _ in scored] == [token for token, _ in expected]
        assert [value for _, value in scored] == pytest.approx([value for _, value in expected], abs=1e-4)
    assert model.log_probabilities([]) == []
