"""What CTranslate2 computes with an exported model is what regard computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from sentencepiece import SentencePieceProcessor
from torch import nn

from regard.data.tokenizer.specials import BOS, EOS
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers
from regard.exchange.ctranslate2.format import CTranslate2
from regard.exchange.ctranslate2.specs import save, translator_spec
from regard.exchange.unsupported import Unsupported
from regard.exchange.vocabulary import pieces
from regard.inference.decoding import Sampling
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.model.feed_forward import SwiGLU, gelu, gelu_tanh, swish
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm, rms_norm
from regard.model.positions import Learned, NoPositions, Rotary
from regard.model.residual import PostNorm, PreNorm
from regard.model.state_space.h3 import H3
from regard.model.transformer import Transformer
from regard.observe.measure.alignment import Aligner
from regard.observe.record.trace import trace
from regard.training.checkpoint import LoadedModel

MakeModel = Callable[..., Transformer]

ROTARY = {"positions": NoPositions, "mixer": partial(SelfAttention, rotation=Rotary)}
LLAMA = {
    "positions": NoPositions,
    "mixer": partial(SelfAttention, rotation=partial(Rotary, base=500.0), num_kv_heads=1, bias=False),
    "feed_forward": SwiGLU,
    "residual": partial(PreNorm, norm=rms_norm),
}
OPTIONS = {
    "default": {},
    "rotary": ROTARY,
    "llama": LLAMA,
    "learned": {"positions": Learned, "feed_forward": gelu},
    "gelu_tanh": {"feed_forward": gelu_tanh},
    "swish": {"feed_forward": swish},
    "post_norm": {"residual": partial(PostNorm, norm=layer_norm)},
    "no positions": {"positions": NoPositions},
}


def loaded(model: Transformer, tokenizer: Tokenizer) -> LoadedModel:
    tokenizers = Tokenizers(tokenizer, tokenizer)
    kind = LanguageModel if model.encoder is None else Translator
    return LoadedModel("translation", kind(model, tokenizers), {}, tokenizers, None, 0)


@pytest.mark.parametrize("name", OPTIONS)
def test_translations_and_their_likelihoods_are_the_same(
    make_model: MakeModel, tokenizer: Tokenizer, pairs: list[tuple[str, str]], tmp_path: Path, name: str
) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size, **OPTIONS[name])
    translator = Translator(model, Tokenizers(tokenizer, tokenizer))
    CTranslate2().write(loaded(model, tokenizer), tmp_path, tmp_path, "float32")
    engine = ctranslate2.Translator(str(tmp_path), intra_threads=1)

    sources, targets = ([pair[side] for pair in pairs[:20]] for side in (0, 1))
    encode = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model")).encode_as_pieces
    read = [encode(text) for text in sources]
    found = engine.translate_batch(read, beam_size=1, max_decoding_length=12)
    examples, _ = translator.source.encode(sources)
    names = pieces(tokenizer)
    for row, hypothesis in translator.generate(examples):
        assert found[row].hypotheses[0] == [names[token] for token in hypothesis.tokens[:12]]

    scores = engine.score_batch(read, [encode(text) for text in targets])
    expected = translator.log_probabilities(examples, translator.encode_targets(targets)[0])
    for score, values in zip(scores, expected, strict=True):
        assert np.allclose(score.log_probs, values, atol=2e-5)


@pytest.mark.parametrize("name", ["rotary", "llama", "learned"])
def test_continuations_and_their_likelihoods_are_the_same(
    make_model: MakeModel, tokenizer: Tokenizer, pairs: list[tuple[str, str]], tmp_path: Path, name: str
) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size, encoder=False, **OPTIONS[name])
    language_model = LanguageModel(model, Tokenizers(tokenizer, tokenizer))
    CTranslate2().write(loaded(model, tokenizer), tmp_path, tmp_path, "float32")
    engine = ctranslate2.Generator(str(tmp_path), intra_threads=1)

    names = pieces(tokenizer)
    texts = [target for _, target in pairs[:20]]
    prompts = [tokenizer.encode(text)[:3] for text in texts]
    continued = language_model.continue_prompts(prompts, Sampling(0.0, None, None), 10, seed=0)
    found = engine.generate_batch(
        [[names[token] for token in prompt] for prompt in prompts],
        max_length=10, sampling_topk=1, include_prompt_in_result=False, suppress_sequences=[["<pad>"], ["<s>"]],
    )  # fmt: skip
    for each, tokens in zip(found, continued, strict=True):
        assert each.sequences[0] == [names[token] for token in tokens]

    for text in texts[:5]:
        ids = tokenizer.encode(text)
        (score,) = engine.score_batch([["<s>", *(names[token] for token in ids), "</s>"]])
        with torch.inference_mode():
            expected = model(torch.tensor([[BOS, *ids]])).log_softmax(dim=-1)[0, range(len(ids) + 1), [*ids, EOS]]
        assert np.allclose(score.log_probs, expected, atol=2e-5)


def test_alignments_are_the_weights_of_the_chosen_head(
    make_model: MakeModel, tokenizer: Tokenizer, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    model, source = make_model(vocab_size=tokenizer.vocab_size, num_heads=4), pairs[40][0]
    recorded = trace(Translator(model, Tokenizers(tokenizer, tokenizer)), source)
    tokens = len(recorded.maps.target) - 1
    for layer, head in ((0, 2), (1, 3), (1, None)):
        (folder := tmp_path / f"{layer}.{head}").mkdir()
        tokenizers = Tokenizers(tokenizer, tokenizer)
        save(translator_spec(model, tokenizers, Aligner(layer, head, "written")), folder, "float32")
        engine = ctranslate2.Translator(str(folder), intra_threads=1)
        read = SentencePieceProcessor(model_proto=tokenizer.model).encode_as_pieces(source)
        found = engine.translate_batch([read], return_attention=True, beam_size=1, max_decoding_length=tokens)
        weights = recorded.maps.maps[f"decoder.{layer}.cross"]
        expected = weights.mean(axis=0) if head is None else weights[head]
        assert len(found[0].attention[0]) == tokens
        assert np.allclose(found[0].attention[0], expected[:tokens, : len(found[0].attention[0][0])], atol=1e-5)


def test_fewer_bits_are_smaller_and_nearly_the_same(
    make_model: MakeModel, tokenizer: Tokenizer, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size, dim=64, ffn_dim=128)
    sizes, scores = {}, {}
    encode = SentencePieceProcessor(model_proto=tokenizer.model).encode_as_pieces
    for weights in CTranslate2.weights:
        (folder := tmp_path / weights).mkdir()
        CTranslate2().write(loaded(model, tokenizer), tmp_path, folder, weights)
        sizes[weights] = (folder / "model.bin").stat().st_size
        engine = ctranslate2.Translator(str(folder), intra_threads=1, compute_type="float32")  # the weights alone
        scores[weights] = engine.score_batch([encode(pairs[0][0])], [encode(pairs[0][1])])[0].log_probs
    assert sizes["int8"] < 0.6 * sizes["float16"] < 0.36 * sizes["float32"]
    assert np.allclose(scores["int8"], scores["float32"], atol=0.1)
    assert np.allclose(scores["float16"], scores["float32"], atol=5e-3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mixer": H3}, "model.mixer=h3: expected attention in all layers"),
        ({"depth": 0}, "model.depth=0: expected at least one layer"),
        ({"residual": partial(PreNorm, norm=nn.Identity)}, "model.residual.norm=Identity: "),
        ({"mixer": partial(SelfAttention, rotation=Rotary)}, "model.positions=sinusoidal with rotary: "),
    ],
)
def test_what_it_cannot_represent_is_refused_by_name(
    make_model: MakeModel, tokenizer: Tokenizer, options: dict[str, object], named: str
) -> None:
    model = make_model(vocab_size=tokenizer.vocab_size, **options)
    with pytest.raises(Unsupported, match=f"^{named}"):
        CTranslate2().check(loaded(model, tokenizer))
