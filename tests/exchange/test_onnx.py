"""What onnxruntime computes with an exported model is what regard computes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from regard.data.batching import pad
from regard.data.tokenizer.specials import BOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.exchange.onnx.format import Onnx
from regard.exchange.unsupported import Unsupported
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.feed_forward import SwiGLU, gelu, gelu_tanh, swish
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm, rms_norm
from regard.model.positions import Learned, NoPositions, Rotary
from regard.model.recorder import Recorder
from regard.model.residual import PostNorm, PreNorm
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer
from regard.training.checkpoint import LoadedModel

MakeModel = Callable[..., Transformer]

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "separate": {"source_vocab_size": 70},
    "llama": {
        "positions": NoPositions,
        "mixer": partial(SelfAttention, rotation=partial(Rotary, base=500.0), num_kv_heads=1, bias=False),
        "feed_forward": SwiGLU,
        "residual": partial(PreNorm, norm=rms_norm),
    },
    "learned": {"positions": Learned, "feed_forward": gelu},
    "gelu_tanh": {"feed_forward": gelu_tanh},
    "swish": {"feed_forward": swish},
    "post_norm": {"residual": partial(PostNorm, norm=layer_norm), "positions": NoPositions},
}


def loaded(model: Transformer, tokenizer: Tokenizer) -> LoadedModel:
    tokenizers = Tokenizers(tokenizer, tokenizer)
    kind = LanguageModel if model.encoder is None else Translator
    return LoadedModel("translation", kind(model, tokenizers), {}, tokenizers, None, 0)


class Exported:
    """Runs an exported folder as a program without regard does."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.config = json.loads((folder / "config.json").read_text())
        self.sessions = {
            path.stem: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for path in folder.glob("*.onnx")
        }

    def run(self, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = self.sessions[name]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def start(self, source: np.ndarray | None, rows: int) -> dict[str, np.ndarray]:
        state = {} if source is None else self.run("encoder", {"source": source})
        for layer, cache in enumerate(self.config["caches"]):
            empty = np.zeros((rows, cache["groups"], 0, cache["head_dim"]), np.float32)
            state |= {f"decoder.{layer}.past.key": empty, f"decoder.{layer}.past.value": empty}
        return state

    def step(self, tokens: np.ndarray, state: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        found = self.run("step", {"tokens": tokens, **state})
        logits = found.pop("logits")
        return logits, state | {name.replace("present", "past"): value for name, value in found.items()}


def exported(model: Transformer, tokenizer: Tokenizer, folder: Path) -> Exported:
    Onnx().write(loaded(model, tokenizer), folder, folder, "float32")
    return Exported(folder)


@pytest.mark.parametrize(
    ("name", "encoder"),
    [(name, encoder) for name in OPTIONS for encoder in (True, False) if encoder or name != "separate"],
)
def test_logits_and_attention_of_whole_sequences_are_the_same(
    make_model: MakeModel, tokenizer: Tokenizer, tmp_path: Path, name: str, encoder: bool
) -> None:
    model = make_model(vocab_size=70, encoder=encoder, **OPTIONS[name])
    prefix, source = pad([[1, 5, 6, 7, 8], [1, 9]]), pad([[4, 2], [10, 11, 12, 2]])
    recorder = Recorder()
    with torch.inference_mode():
        logits = model(prefix, source if encoder else None, recorder)
    inputs = {"prefix": prefix.numpy()} | ({"source": source.numpy()} if encoder else {})
    found = exported(model, tokenizer, tmp_path).run("model", inputs)
    assert np.allclose(found.pop("logits"), logits, atol=1e-5)
    assert found.keys() == recorder.maps.keys()
    for key, weights in recorder.maps.items():
        assert np.allclose(found[key], weights, atol=1e-6), key


@pytest.mark.parametrize("name", OPTIONS)
def test_translations_with_a_cache_are_the_same(
    make_model: MakeModel, tokenizer: Tokenizer, pairs: list[tuple[str, str]], tmp_path: Path, name: str
) -> None:
    model = make_model(vocab_size=70, **OPTIONS[name])
    translator = Translator(model, Tokenizers(tokenizer, tokenizer))
    engine = exported(model, tokenizer, tmp_path)
    examples, _ = translator.source.encode([source for source, _ in pairs[:4]])
    written = dict(translator.generate(examples))
    longest = max(len(hypothesis.tokens) for hypothesis in written.values())
    state = engine.start(translator.source.collate(examples).numpy(), len(examples))
    tokens, rows = np.full((len(examples), 1), BOS), []
    for _ in range(longest):
        logits, state = engine.step(tokens, state)
        tokens = logits[:, -1:].argmax(axis=-1)
        rows.append(tokens[:, 0])
    for row, hypothesis in written.items():
        assert [int(token) for token in np.array(rows)[: len(hypothesis.tokens), row]] == hypothesis.tokens


def test_a_prompt_may_be_read_at_once_or_token_by_token(
    make_model: MakeModel, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = make_model(vocab_size=70, encoder=False, **OPTIONS["llama"])
    engine = exported(model, tokenizer, tmp_path)
    prompt = np.array([[5, 6, 7, 8, 9]])
    at_once, _ = engine.step(prompt, engine.start(None, 1))
    first, state = engine.step(prompt[:, :2], engine.start(None, 1))
    second, _ = engine.step(prompt[:, 2:], state)
    assert np.allclose(np.concatenate([first, second], axis=1), at_once, atol=1e-5)


def test_the_graphs_share_one_file_of_weights(make_model: MakeModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = make_model(vocab_size=70)
    exported(model, tokenizer, tmp_path)
    assert (tmp_path / "weights.data").stat().st_size == 4 * sum(weight.numel() for weight in model.parameters())


def test_a_mixer_without_operators_is_refused_by_name(make_model: MakeModel, tokenizer: Tokenizer) -> None:
    with pytest.raises(Unsupported, match=r"^model\.mixer=h3: expected attention in all layers$"):
        Onnx().check(loaded(make_model(vocab_size=70, mixer=H3), tokenizer))
