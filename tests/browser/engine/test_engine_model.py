"""The model of live pages: the logits, records and outputs of PyTorch, for each option of a model."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pytest
import torch

from regard.exchange.model import describe_model
from regard.exchange.page.engine import engine_source
from regard.exchange.page.weights import WeightFormat, pack_weights
from regard.inference.continuation import continue_rows
from regard.inference.decoding import Hypothesis, Sampling
from regard.inference.encoder_decoder import search
from regard.model.feed_forward import SwiGLU, gelu, gelu_tanh, relu, swish
from regard.model.hybrid import Hybrid
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm, rms_norm
from regard.model.positions import Learned, NoPositions, Rotary
from regard.model.recorder import FullRecorder
from regard.model.residual import PostNorm, PreNorm
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D
from regard.model.transformer import Transformer

ROTARY = {"mixer": partial(SelfAttention, rotation=Rotary), "positions": NoPositions}
H3_OF_8 = partial(H3, state_size=8)
TRANSLATORS: dict[str, dict[str, Any]] = {
    "rotary": ROTARY,
    "sinusoidal": {},
    "learned": {"positions": Learned},
    "groups": {"mixer": partial(SelfAttention, num_kv_heads=2, rotation=Rotary), "positions": NoPositions},
    "one group without biases": {"mixer": partial(SelfAttention, num_kv_heads=1, bias=False)},
    "gelu": {"feed_forward": gelu},
    "gelu_tanh": {"feed_forward": gelu_tanh},
    "swish": {"feed_forward": swish},
    "relu without biases": {"feed_forward": partial(relu, bias=False)},
    "swiglu": {"feed_forward": SwiGLU},
    "post-norm": {"residual": partial(PostNorm, norm=layer_norm)},
    "rms norm": {"residual": partial(PreNorm, norm=rms_norm)},
    "rms norm, post-norm": {"residual": partial(PostNorm, norm=rms_norm)},
    "h3": {"mixer": H3_OF_8},
    "h3 with heads": {"mixer": partial(H3, state_size=8, head_dim=4, shift_taps=3)},
    "h3 without shift": {"mixer": partial(H3, state_size=8, shift_taps=1)},
    "s4d": {"mixer": partial(S4D, state_size=6)},
    "hybrid": {"mixer": Hybrid(H3_OF_8, SelfAttention, [1], Rotary), "positions": NoPositions},
    "two vocabularies": {"source_vocab_size": 17},
    "no multiple of 4": {"dim": 10, "num_heads": 5, "ffn_dim": 7, "vocab_size": 11},
}
LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    f"language model: {name}": TRANSLATORS[name] for name in ("rotary", "sinusoidal", "h3 with heads", "s4d")
}
BEAMS = [(1, 1.0), (3, 1.0), (4, 0.0), (2, 2.0)]
SAMPLINGS = [Sampling(), Sampling(0.7, top_k=5), Sampling(1.3, top_p=0.8), Sampling(1.2, 9, 0.9), Sampling(0)]
LIMIT, NEW_TOKENS, SEED = 20, 50, 7

DRIVER = """
const lastOf = (steps) => {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
};
onmessage = ({ data: { cases, beams, limit, samplings, new_tokens: newTokens, seed } }) => {
  for (const { name, description, tensors, weights, source, prefix } of cases) {
    const model = new Transformer(description, new Weights(tensors, bytesOfBase64(weights).buffer));
    const record = new Recorder();
    const logits = model.forward(prefix, source, record);
    const plain = (values, of) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, of(value)]));
    postMessage({
      kind: "part", name,
      logits: [...logits],
      maps: plain(record.maps, ({ weights }) => [...weights]),
      vectors: plain(record.vectors, ({ query, key, value }) => [query, key, value].map((x) => [...x])),
      states: plain(record.states, (state) => [...state]),
      found: source && beams.map(([size, alpha]) => lastOf(search(model, model.encode(source), limit, size, alpha))),
      continued: source ? null : samplings.map(([temperature, topK, topP]) =>
        lastOf(continueText(model, prefix, { temperature, topK, topP }, newTokens, seed)).tokens),
    });
  }
  postMessage({ kind: "whole" });
};
"""


class Case(NamedTuple):
    model: Transformer
    source: torch.Tensor | None
    prefix: torch.Tensor

    def message(self, name: str, matrices: WeightFormat) -> dict[str, Any]:
        packed = pack_weights(self.model, matrices)
        return {
            "name": name, "description": describe_model(self.model), "tensors": packed.tensors,
            "weights": base64.b64encode(packed.block).decode(), "prefix": self.prefix[0].tolist(),
            "source": None if self.source is None else self.source[0].tolist(),
        }  # fmt: skip


@pytest.fixture(scope="module")
def cases(make_model: Callable[..., Transformer]) -> dict[str, Case]:
    """Random models with biases and scales that are not their initial values, and random sentences."""
    made = {}
    for name, options in (TRANSLATORS | LANGUAGE_MODELS).items():
        generator = torch.Generator().manual_seed(crc32(name.encode()))  # of this case, whatever others there are
        is_translator = name in TRANSLATORS
        model = make_model(encoder=is_translator, **{"num_heads": 4} | options)
        tokens = model.decoder.embedding.tokens.weight
        for parameter in model.parameters():
            deviation = 0.1 if parameter is tokens else 0.6  # a token whose vector is much larger would be repeated
            parameter.data += deviation * torch.randn(parameter.shape, generator=generator)
        ids = torch.randint(4, model.decoder.embedding.tokens.num_embeddings, (2, 1, 11), generator=generator)
        made[name] = Case(model, ids[0] if is_translator else None, ids[1])
    return made


@pytest.fixture(scope="module")
def computed(compute: Callable[..., list[Any]], cases: dict[str, Case]) -> dict[str, dict[str, Any]]:
    messages = [case.message(name, "float32") for name, case in cases.items()]
    formats: tuple[WeightFormat, ...] = ("float16", "int8")
    messages += [cases["rotary"].message(matrices, matrices) for matrices in formats]
    given = {
        "cases": messages, "beams": BEAMS, "limit": LIMIT, "samplings": SAMPLINGS, "new_tokens": NEW_TOKENS,
        "seed": SEED,
    }  # fmt: skip
    return {answer["name"]: answer for answer in compute(engine_source() + DRIVER, [given])[:-1]}


@pytest.mark.parametrize("name", [*TRANSLATORS, *LANGUAGE_MODELS])
@torch.inference_mode()
def test_logits_and_records_are_those_of_pytorch(
    name: str, cases: dict[str, Case], computed: dict[str, dict[str, Any]]
) -> None:
    record, case = FullRecorder(), cases[name]
    logits = case.model(case.prefix, case.source, record)
    found = computed[name]
    assert_close(found["logits"], logits)
    assert found["maps"].keys() == record.maps.keys()
    assert found["states"].keys() == record.states.keys()
    for key, weights in record.maps.items():
        assert_close(found["maps"][key], weights)
        for vectors, expected in zip(found["vectors"][key], record.vectors[key], strict=True):
            assert_close(vectors, expected.transpose(1, 2))
    for key, state in record.states.items():
        assert_close(found["states"][key], state)


@pytest.mark.parametrize("name", TRANSLATORS)
@torch.inference_mode()
def test_searches_find_the_outputs_of_pytorch(
    name: str, cases: dict[str, Case], computed: dict[str, dict[str, Any]]
) -> None:
    case = cases[name]
    encoded = case.model.encode(case.source)
    assert encoded is not None
    for (beam_size, alpha), found in zip(BEAMS, computed[name]["found"], strict=True):
        (expected,) = search(case.model.decoder, encoded, torch.tensor([LIMIT]), beam_size, alpha)
        assert Hypothesis(found["tokens"], pytest.approx(found["logProbability"], abs=1e-3)) == expected


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_samples_are_those_of_pytorch_for_the_same_seed(
    name: str, cases: dict[str, Case], computed: dict[str, dict[str, Any]]
) -> None:
    """The context is 32 tokens: it is exceeded, and read again from its half."""
    case = cases[name]
    prompt = case.prefix.tolist()
    for sampling, found in zip(SAMPLINGS, computed[name]["continued"], strict=True):
        steps = continue_rows(case.model, prompt, sampling, NEW_TOKENS, [[SEED, 0, 0]])
        assert found == [token for _, token in steps]


def test_outputs_of_the_tests_differ(computed: dict[str, dict[str, Any]]) -> None:
    """Models that always write the same token would not test a search."""
    outputs = [tuple(found["tokens"]) for name in TRANSLATORS for found in computed[name]["found"]]
    assert len(set(outputs)) > len(TRANSLATORS)
    assert sum(len(set(output)) > 2 for output in outputs) > len(TRANSLATORS) / 2


@pytest.mark.parametrize(("matrices", "most"), [("float16", 0.02), ("int8", 0.3)])
@torch.inference_mode()
def test_smaller_weights_have_nearly_the_same_logits(
    matrices: str, most: float, cases: dict[str, Case], computed: dict[str, dict[str, Any]]
) -> None:
    case = cases["rotary"]
    difference = np.abs(np.array(computed[matrices]["logits"]) - case.model(case.prefix, case.source).numpy().ravel())
    assert 0 < difference.max() < most


def assert_close(found: list[float], expected: torch.Tensor) -> None:
    values = expected.numpy().ravel()
    np.testing.assert_allclose(found, values, rtol=0, atol=2e-5 * max(1, np.abs(values).max(initial=0)))
