"""Decoding: beam 1 is greedy, batches do not matter, and a wide beam finds the best output."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from regard.inference.decoding import Hypothesis, Step, beam_search, greedy, length_penalty
from regard.model.transformer import Transformer

BEGIN, END = 1, 2
MakeModel = Callable[..., Transformer]


# A toy language model whose outputs can all be enumerated.


class Prefixes(NamedTuple):
    """The state of the toy model: the prefix and the sentence of each row."""

    tokens: Tensor
    sentence: Tensor

    def reorder(self, rows: Tensor) -> Prefixes:
        assert torch.equal(self.sentence, self.sentence[rows])  # rows stay with their sentence
        return Prefixes(self.tokens[rows], self.sentence)

    def select(self, sentences: list[int]) -> Prefixes:
        rows = len(self.sentence) // len(self.sentence.unique())
        tokens, sentence = self.tokens.unflatten(0, (-1, rows)), self.sentence.unflatten(0, (-1, rows))
        return Prefixes(tokens[sentences].flatten(0, 1), sentence[sentences].flatten())


class Toy:
    """Random next-token probabilities for every sentence and every prefix of up to ``longest`` tokens."""

    def __init__(self, sentences: int, vocab: int, longest: int, seed: int, end_bias: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.vocab, self.steps = vocab, 0
        self.table = 1.5 * torch.randn(sentences, vocab**longest, vocab, generator=generator)
        self.table[..., END] += end_bias

    def start(self, sentences: list[int], beam_size: int) -> Prefixes:
        sentence = torch.tensor(sentences).repeat_interleave(beam_size)
        return Prefixes(torch.empty(len(sentence), 0, dtype=torch.long), sentence)

    def step(self, tokens: Tensor, state: Prefixes) -> tuple[Tensor, Prefixes]:
        self.steps += 1
        read = torch.cat([state.tokens, tokens[:, None]], dim=1)
        return self.table[state.sentence, self.index(read)], Prefixes(read, state.sentence)

    def index(self, read: Tensor) -> Tensor:
        index = torch.zeros(len(read), dtype=torch.long)
        for position in range(1, read.shape[1]):  # after <s>; the offset makes prefixes of different lengths differ
            index = index * self.vocab + read[:, position] + 1
        return index % self.table.shape[1]

    def log_probability(self, sentence: int, tokens: tuple[int, ...]) -> float:
        read, total = [BEGIN], 0.0
        for token in tokens:
            logits = self.table[sentence, int(self.index(torch.tensor([read])))]
            total += logits.log_softmax(-1)[token].item()
            read.append(token)
        return total

    def all_outputs(self, sentence: int, limit: int) -> dict[tuple[int, ...], float]:
        """All possible outputs, without their ends, and their log-probabilities."""
        words, found = [t for t in range(self.vocab) if t != END], {}
        for length in range(limit):
            for tokens in itertools.product(words, repeat=length):
                found[tokens] = self.log_probability(sentence, (*tokens, END))
        for tokens in itertools.product(words, repeat=limit):
            found[tokens] = self.log_probability(sentence, tokens)
        return found


def normalised(tokens: tuple[int, ...], log_probability: float, limit: int, alpha: float) -> float:
    return log_probability / length_penalty(min(len(tokens) + 1, limit), alpha)


def test_length_penalty_is_the_formula_of_wu_et_al() -> None:
    assert length_penalty(1, 0.7) == 1
    assert length_penalty(13, 1.0) == 3
    assert length_penalty(7, 0.6) == pytest.approx(2**0.6)
    assert length_penalty(99, 0.0) == 1


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_outputs(seed: int, alpha: float) -> None:
    limits = [4, 2, 3, 1]
    toy = Toy(len(limits), vocab=4, longest=4, seed=seed)
    found = beam_search(toy.step, toy.start([0, 1, 2, 3], 130), torch.tensor(limits), BEGIN, END, 130, alpha)
    for sentence, (limit, hypothesis) in enumerate(zip(limits, found, strict=True)):
        scores = toy.all_outputs(sentence, limit)
        best = max(scores, key=lambda tokens: normalised(tokens, scores[tokens], limit, alpha))
        assert tuple(hypothesis.tokens) == best
        assert hypothesis.log_probability == pytest.approx(scores[best], abs=1e-5)


@pytest.mark.parametrize("beam_size", [2, 3, 5])
def test_any_beam_finds_an_output_with_its_true_log_probability(beam_size: int) -> None:
    for seed in range(10):
        toy = Toy(1, vocab=4, longest=4, seed=seed)
        [found] = beam_search(toy.step, toy.start([0], beam_size), torch.tensor([4]), BEGIN, END, beam_size, 1.0)
        assert found.log_probability == pytest.approx(toy.all_outputs(0, 4)[tuple(found.tokens)], abs=1e-5)


def test_a_wider_beam_finds_better_outputs() -> None:
    def total(beam_size: int) -> float:
        toy, count = Toy(40, vocab=5, longest=4, seed=1), 40
        start, limits = toy.start(list(range(count)), beam_size), torch.full((count,), 4)
        return sum(found.log_probability for found in beam_search(toy.step, start, limits, BEGIN, END, beam_size, 0.0))

    assert total(1) < total(2) < total(4)


def test_search_stops_if_no_open_prefix_can_become_the_best() -> None:
    toy = Toy(2, vocab=4, longest=4, seed=0, end_bias=12.0)
    found = beam_search(toy.step, toy.start([0, 1], 3), torch.tensor([30, 30]), BEGIN, END, 3, 1.0)
    assert [hypothesis.tokens for hypothesis in found] == [[], []]
    assert toy.steps == 1


def test_search_stops_if_as_many_hypotheses_as_the_beam_have_ended() -> None:
    # The length penalty is so large that an open prefix can always become the best.
    toy = Toy(1, vocab=4, longest=4, seed=0, end_bias=3.0)
    beam_search(toy.step, toy.start([0], 2), torch.tensor([30]), BEGIN, END, 2, 20.0)
    assert toy.steps == 2


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_bad_hypotheses_that_end_early_do_not_stop_the_search(alpha: float) -> None:
    # The sentence 3 4 5 3 4 5 </s> is nearly certain, and </s> is the second most likely token at each step.
    sure = [3, 4, 5, 3, 4, 5, END]

    def step(tokens: Tensor, state: Prefixes) -> tuple[Tensor, Prefixes]:
        read = torch.cat([state.tokens, tokens[:, None]], dim=1)
        logits = torch.zeros(len(read), 6)
        logits[:, END] = 3.0
        logits[:, sure[min(read.shape[1], len(sure)) - 1]] = 10.0
        return logits, Prefixes(read, state.sentence)

    start = Prefixes(torch.empty(4, 0, dtype=torch.long), torch.zeros(4, dtype=torch.long))
    [found] = beam_search(step, start, torch.tensor([20]), BEGIN, END, 4, alpha)
    assert found.tokens == sure[:-1]


def test_greedy_stops_when_all_have_ended() -> None:
    toy = Toy(3, vocab=4, longest=4, seed=0, end_bias=12.0)
    greedy(toy.step, toy.start([0, 1, 2], 1), torch.tensor([30, 20, 10]), BEGIN, END)
    assert toy.steps == 1


@pytest.mark.parametrize("beam_size", [1, 3])
def test_each_sentence_has_its_own_limit(beam_size: int) -> None:
    limits = torch.tensor([5, 1, 3, 5, 2])
    toy = Toy(5, vocab=4, longest=3, seed=0, end_bias=-math.inf)
    found = decode(toy.step, toy.start([0, 1, 2, 3, 4], beam_size), limits, beam_size)
    assert [len(hypothesis.tokens) for hypothesis in found] == limits.tolist()
    assert toy.steps == 5


def decode(step: Step, state: object, limits: Tensor, beam_size: int, alpha: float = 1.0) -> list[Hypothesis]:
    if beam_size == 1:
        return greedy(step, state, limits, BEGIN, END)
    return beam_search(step, state, limits, BEGIN, END, beam_size, alpha)


# Random models, scaled so that outputs differ and end at different steps.

SOURCES = torch.tensor(
    [
        [4, 5, 6, 7, 8, 9, 2],
        [9, 2, 0, 0, 0, 0, 0],
        [5, 5, 12, 2, 0, 0, 0],
        [11, 10, 3, 7, 7, 2, 0],
        [2, 0, 0, 0, 0, 0, 0],
        [8, 6, 2, 0, 0, 0, 0],
    ]
)
LIMITS = torch.tensor([12, 9, 12, 5, 12, 7])


@pytest.fixture(scope="module")
def models(make_model: MakeModel) -> list[Transformer]:
    models = [make_model(seed, source_vocab_size=13, depth=1) for seed in range(16)]
    with torch.no_grad():
        for model in models:
            for name, parameter in model.named_parameters():
                if "layers" in name and parameter.ndim == 2:
                    parameter *= 4  # the context has more effect than the token itself
            end = model.decoder.embedding.tokens.weight[END]
            model.decoder.norm.bias += end / end.square().sum()  # raises the logit of the end by one
    return models


def search(
    model: Transformer, sources: Tensor, limits: Tensor, beam_size: int, alpha: float = 1.0, force_beam: bool = False
) -> list[Hypothesis]:
    with torch.inference_mode():
        state = model.decoder.start(model.encode(sources), rows=len(sources) * beam_size)
    if force_beam:
        return beam_search(model.decoder.step, state, limits, BEGIN, END, beam_size, alpha)
    return decode(model.decoder.step, state, limits, beam_size, alpha)


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [hypothesis.tokens for hypothesis in found] == [hypothesis.tokens for hypothesis in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_the_outputs_of_these_models_differ(models: list[Transformer]) -> None:
    outputs = [search(model, SOURCES, LIMITS, 1) for model in models]
    lengths = [len(hypothesis.tokens) for found in outputs for hypothesis in found]
    ended = [len(h.tokens) < limit for found in outputs for h, limit in zip(found, LIMITS.tolist(), strict=True)]
    assert len(set(lengths)) > 5
    assert 0.2 < sum(ended) / len(ended) < 0.9
    assert sum(len({tuple(h.tokens) for h in found}) > 2 for found in outputs) > len(models) / 2


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(models: list[Transformer], alpha: float) -> None:
    for model in models:
        one = search(model, SOURCES, LIMITS, 1, alpha, force_beam=True)
        assert_same(one, search(model, SOURCES, LIMITS, 1))


@pytest.mark.parametrize("beam_size", [1, 4])
def test_other_sentences_of_the_batch_do_not_change_an_output(models: list[Transformer], beam_size: int) -> None:
    for model in models[:6]:
        together = search(model, SOURCES, LIMITS, beam_size)
        for row, source in enumerate(SOURCES):
            alone = search(model, source[source != 0][None], LIMITS[row : row + 1], beam_size)
            assert_same(together[row : row + 1], alone)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_log_probability_equals_that_of_a_forced_pass(models: list[Transformer], beam_size: int) -> None:
    for model in models:
        for source, limit, found in zip(
            SOURCES, LIMITS.tolist(), search(model, SOURCES, LIMITS, beam_size), strict=True
        ):
            written = [*found.tokens, END][:limit]
            prefix = torch.tensor([[BEGIN, *written[:-1]]])
            with torch.inference_mode():
                steps = model(prefix, source[source != 0][None])[0].log_softmax(dim=-1)
            forced = steps[torch.arange(len(written)), torch.tensor(written)].sum().item()
            assert found.log_probability == pytest.approx(forced, abs=1e-4)


def test_greedy_selects_the_most_likely_token_of_the_uncached_model(models: list[Transformer]) -> None:
    for model in models[:6]:
        for source, limit, found in zip(SOURCES, LIMITS.tolist(), search(model, SOURCES, LIMITS, 1), strict=True):
            prefix = [BEGIN]
            while len(prefix) <= limit:
                with torch.inference_mode():
                    prefix.append(int(model(torch.tensor([prefix]), source[source != 0][None])[0, -1].argmax()))
                if prefix[-1] == END:
                    break
            assert found.tokens == [token for token in prefix[1:] if token != END]


def test_a_language_model_decodes_without_memory(make_model: MakeModel) -> None:
    model = make_model(encoder=False)
    state = model.decoder.start(None, rows=8, sentences=2)
    found = beam_search(model.decoder.step, state, torch.tensor([6, 4]), BEGIN, END, 4, 1.0)
    assert all(len(hypothesis.tokens) <= limit for hypothesis, limit in zip(found, (6, 4), strict=True))
    assert found[0].log_probability < 0


@pytest.mark.parametrize("beam_size", [1, 4])
def test_decoding_works_in_mixed_precision(models: list[Transformer], beam_size: int) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = search(models[0], SOURCES, LIMITS, beam_size)
    assert len(found) == len(SOURCES)
