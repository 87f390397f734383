"""Folders for transformers: its classes load them, and compute the same from the same text."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regard.data.batching import pad
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.inference.decoding import Sampling
from regard.training.checkpoint import load_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")


def piece(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"regard.model.{name}", "_partial_": True, **arguments}


ATTENTION, LAYER_NORM, RMS_NORM = piece("mixer.SelfAttention"), piece("norm.layer_norm"), piece("norm.rms_norm")
ROTARY = piece("positions.Rotary")
LINES = ["the red house is very green", "the  sheet is very, very black ", "book is boat", "xyz? the white horse"]


@pytest.fixture
def export(regard: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    def export(checkpoint: Path, *options: str) -> Path:
        folder = tmp_path / "exported"
        said = regard("export", checkpoint, "--to", "huggingface", "--output", folder, *options)
        assert said.code == 0, said.err
        return folder

    return export


@pytest.mark.parametrize(
    ("options", "architecture"),
    [
        ("llama", "LlamaForCausalLM"),
        ("llama with groups", "LlamaForCausalLM"),
        ("default", "Starcoder2ForCausalLM"),
        ("without biases", "Starcoder2ForCausalLM"),
        ("gpt2", "GPT2LMHeadModel"),
        ("gpt2 with relu", "GPT2LMHeadModel"),
    ],
)
def test_a_language_model_has_the_same_logits_and_the_same_tokens(
    make_checkpoint: Callable[..., Path], export: Callable[..., Path], options: str, architecture: str
) -> None:
    checkpoint = make_checkpoint(options)
    folder, loaded = export(checkpoint), load_model(checkpoint)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == architecture
    for line in LINES:
        ids = loaded.tokenizers.target.encode(line)
        assert tokenizer(line).input_ids == ids
        if 3 not in ids:  # transformers writes <unk>
            assert tokenizer.decode(ids) == loaded.tokenizers.target.decode(ids)
        tokens = torch.tensor([[1, *ids]])
        with torch.inference_mode():
            torch.testing.assert_close(model(tokens).logits, loaded.model(tokens), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "separate", "architecture"),
    [
        ("translator", False, "PegasusForConditionalGeneration"),
        ("post-norm translator", False, "MarianMTModel"),
        ("post-norm translator", True, "MarianMTModel"),
    ],
)
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_translator_has_the_same_logits_tokens_and_translations(
    make_checkpoint: Callable[..., Path],
    export: Callable[..., Path],
    tokenizer: Tokenizer,
    options: str,
    separate: bool,
    architecture: str,
) -> None:
    settings = TokenizerSettings(vocab_size=40, byte_fallback=False, character_coverage=1.0)
    tokenizers = Tokenizers(train_tokenizer(LINES, settings) if separate else tokenizer, tokenizer)
    checkpoint = make_checkpoint(options, translates=True, tokenizers=tokenizers)
    folder, loaded = export(checkpoint), load_model(checkpoint)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    fast = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == architecture
    (rows, _), target = loaded.generator.source.encode(LINES), tokenizer.encode("das Haus ist rot")
    assert fast(LINES).input_ids == rows
    assert fast(text_target="das Haus ist rot").input_ids == [*target, 2]
    assert fast.decode(target) == "das Haus ist rot"
    source, prefix = pad(rows), torch.tensor([[1, *target]]).expand(len(rows), -1)
    with torch.inference_mode():
        theirs = model(source, (source != 0).long(), decoder_input_ids=prefix).logits
        torch.testing.assert_close(theirs, loaded.model(prefix, source), atol=1e-5, rtol=0)
        written = model.generate(source, attention_mask=(source != 0).long(), do_sample=False, max_new_tokens=12)
    for row, hypothesis in zip(written.tolist(), loaded.generator.decode(source), strict=True):
        assert row[1:][: len(hypothesis.tokens)] == hypothesis.tokens[:12]


def test_generation_is_that_of_regard(make_checkpoint: Callable[..., Path], export: Callable[..., Path]) -> None:
    checkpoint = make_checkpoint("llama")
    loaded, model = load_model(checkpoint), transformers.AutoModelForCausalLM.from_pretrained(export(checkpoint))
    prompt = loaded.tokenizers.target.encode("the house")
    written = loaded.generator.continue_prompts([prompt], Sampling(temperature=0.0), 12, seed=0)[0]
    assert (model.generation_config.bos_token_id, model.generation_config.pad_token_id) == (1, 0)
    tokens = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0].tolist()
    assert tokens[len(prompt) :] == written + [2] * (len(written) < 12)


def test_weights_in_float16_have_half_the_size(
    make_checkpoint: Callable[..., Path], export: Callable[..., Path]
) -> None:
    checkpoint = make_checkpoint("gpt2")
    folder = export(checkpoint, "--weights", "float16")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}


@pytest.mark.parametrize(
    ("options", "others", "message"),
    [
        ("llama", {"residual": piece("residual.PostNorm", norm=RMS_NORM)}, "model.residual=post_norm: expected pre_"),
        ("llama", {"residual": piece("residual.PreNorm", norm=LAYER_NORM)}, "norm=layer_norm: expected rms_norm"),
        ("llama", {"mixer": ATTENTION | {"rotation": ROTARY}}, "model.mixer.bias=true: expected false"),
        ("llama", {"mixer": ATTENTION | {"bias": False}}, "model.positions=none: expected rotary"),
        ("default", {"positions": piece("positions.Sinusoidal")}, "model.positions=sinusoidal with rotary: "),
        ("default", {"feed_forward": piece("feed_forward.relu", bias=False)}, "_forward.bias=false: expected true"),
        ("gpt2", {"mixer": ATTENTION | {"num_kv_heads": 1}}, "model.mixer.num_kv_heads=1: expected null"),
        ("gpt2", {"mixer": ATTENTION | {"rotation": ROTARY}}, "model.positions=learned with rotary: "),
        ("default", {"mixer": piece("state_space.s4d.S4D")}, "model.mixer=s4d: expected attention in all layers"),
    ],
)  # fmt: skip
def test_what_no_layout_has_is_refused_before_anything_is_written(
    make_checkpoint: Callable[..., Path],
    regard: Callable[..., Any],
    tmp_path: Path,
    options: str,
    others: dict[str, Any],
    message: str,
) -> None:
    checkpoint = make_checkpoint(options, **others)
    said = regard("export", checkpoint, "--to", "huggingface", "--output", tmp_path / "exported")
    assert said.code == 2
    assert message in said.err
    assert said.err.startswith("regard: --to huggingface: ")
    assert "formats that can represent it: " in said.err
    assert "safetensors" in said.err.splitlines()[-1]
    assert not (tmp_path / "exported").exists()


def test_a_translator_that_no_layout_has_is_refused(
    make_checkpoint: Callable[..., Path], regard: Callable[..., Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    other = train_tokenizer(LINES, TokenizerSettings(vocab_size=40, byte_fallback=False, character_coverage=1.0))
    for options, source, message in (
        ("default", tokenizer, "model.positions=rotary: expected sinusoidal"),
        ("translator", other, "tokenizer.joint=false: expected true"),
    ):
        checkpoint = make_checkpoint(options, translates=True, tokenizers=Tokenizers(source, tokenizer))
        said = regard("export", checkpoint, "--to", "huggingface", "--output", tmp_path / "exported")
        assert f"--to huggingface: {message}; formats that can represent it: " in said.err
        assert not (tmp_path / "exported").exists()
