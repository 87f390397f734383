"""Models that transformers wrote are models of regard: the same logits, probabilities and tokens."""

from __future__ import annotations

import itertools
import json
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as proto
from torch import nn

from regard.config.compose import compose_points, freeze
from regard.config.flatten import flatten
from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import UsageError
from regard.inference.stream import translate_lines
from regard.runs.folder import find_checkpoint
from regard.runs.work import work
from regard.training.checkpoint import LoadedModel, load_model, read_checkpoint

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

TEXT = Path(__file__).read_text(encoding="utf-8").splitlines()
LINES = ["def test_it() -> None:", "  naïve café — 東京 🙂", "<s> </s> <|endoftext|>", "import torch", "\tx = 1\n\n"]
SIZES = {"vocab_size": 500, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
RMS = {
    "_target_": "regard.model.residual.PreNorm",
    "_partial_": True,
    "norm": {"_target_": "regard.model.norm.rms_norm", "_partial_": True, "eps": 1e-5},
}
MARIAN_LAYERS = {"attention_heads": 4, "ffn_dim": 20}


@pytest.fixture
def import_model(regard: Callable[..., Any], tmp_path: Path) -> Callable[..., LoadedModel]:
    def import_model(folder: Path) -> LoadedModel:
        said = regard("import", "huggingface", folder, "--output", tmp_path / "imported")
        assert said.code == 0, said.err
        return load_model(tmp_path / "imported")

    return import_model


def randomise(model: nn.Module) -> None:
    """Give every weight an effect, also those that begin as ones and zeros."""
    torch.manual_seed(4)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
        else:
            parameter.data = 0.3 * torch.randn_like(parameter)


def sentencepiece_folder(folder: Path) -> None:
    """A vocabulary with the special ids of Llama, as other programs train it."""
    ours = train_tokenizer(TEXT, TokenizerSettings(vocab_size=500))
    model = proto.ModelProto.FromString(ours.model)
    _, bos, eos, unk, *others = model.pieces
    pieces = [proto.ModelProto.SentencePiece.FromString(each.SerializeToString()) for each in (unk, bos, eos, *others)]
    del model.pieces[:]
    model.pieces.extend(pieces)
    spec = model.trainer_spec
    spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id = 0, 1, 2, -1
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())


def byte_level_folder(folder: Path) -> Any:
    """A vocabulary of GPT-2, small: bytes, merges and one special token at the end."""
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXT, vocab_size=499, min_frequency=1, show_progress=False)
    trained.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    theirs = transformers.GPT2Tokenizer.from_pretrained(folder)
    assert len(theirs) == len(vocabulary)
    return theirs


def assert_same(
    loaded: LoadedModel, model: Any, encode: Callable[[str], list[int]], order: list[int], bos: int, eos: int
) -> None:
    """The same tokens, logits and log-probabilities, these without the probability of special tokens that were added.

    ``order`` are the ids of regard, by those of the other library.
    """
    ours, ids = loaded.tokenizers.target, torch.tensor(order)
    for text in LINES:
        there, here = encode(text), ours.encode(text)
        assert [order[token] for token in there] == here
        with torch.no_grad():
            theirs = model(torch.tensor([[bos, *there]])).logits
            logits = loaded.model(torch.tensor([[BOS, *here]]))
        torch.testing.assert_close(logits[..., ids], theirs[..., : len(order)], atol=1e-4, rtol=1e-5)
        (scored,) = loaded.generator.log_probabilities([text])
        expected = theirs[..., : len(order)].log_softmax(-1)[0].gather(-1, torch.tensor([*there, eos])[:, None])[:, 0]
        of_added = logits[0].softmax(-1)[:, [token for token in range(logits.shape[-1]) if token not in order]].sum(-1)
        found = torch.tensor([value for _, value in scored]) - torch.log1p(-of_added)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("groups", "tied"), [(4, True), (2, True), (4, False)])
def test_a_llama_computes_the_same(
    tmp_path: Path, import_model: Callable[..., LoadedModel], groups: int, tied: bool
) -> None:
    sizes = {"intermediate_size": 40, "max_position_embeddings": 64, "num_key_value_heads": groups}
    rope = {"rope_type": "default", "rope_theta": 500.0}
    config = transformers.LlamaConfig(
        **SIZES | sizes | {"vocab_size": 499}, tie_word_embeddings=tied, rms_norm_eps=1e-5, rope_parameters=rope
    )
    model = transformers.LlamaForCausalLM(config).eval()
    randomise(model)
    model.save_pretrained(tmp_path)
    sentencepiece_folder(tmp_path)
    processor = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    assert_same(import_model(tmp_path), model, processor.encode, [UNK, BOS, EOS, *range(4, 500)], 1, 2)


@pytest.mark.parametrize("activation", ["gelu_new", "silu"])
def test_a_gpt2_computes_the_same(tmp_path: Path, import_model: Callable[..., LoadedModel], activation: str) -> None:
    theirs = byte_level_folder(tmp_path)
    end = len(theirs) - 1
    sizes = {
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 64,
        "vocab_size": 512,
    }  # more than there are pieces
    config = transformers.GPT2Config(**sizes, activation_function=activation, bos_token_id=end, eos_token_id=end)
    model = transformers.GPT2LMHeadModel(config).eval()
    randomise(model)
    model.save_pretrained(tmp_path)
    loaded = import_model(tmp_path)
    order = [*(token + 3 for token in range(end)), EOS]
    assert_same(loaded, model, lambda text: theirs(text, split_special_tokens=True).input_ids, order, end, end)
    ours = loaded.tokenizers.target
    assert [ours.decode(ours.encode(text)) for text in LINES] == LINES
    assert ours.pieces(ours.encode("def t")) == ["def", "▁t"]
    assert ours.pieces([PAD, BOS, EOS]) == ["<pad>", "<s>", "<|endoftext|>"]
    assert ours.pieces(ours.encode("東"))[0].startswith("<0xE6>")


@pytest.mark.parametrize("options", ["llama with groups", "default", "without biases", "gpt2"])
def test_an_export_comes_back_as_it_was(
    make_checkpoint: Callable[..., Path], regard: Callable[..., Any], tmp_path: Path, options: str
) -> None:
    """Weights up to rounding, and the same options and vocabulary."""
    checkpoint = make_checkpoint(options, dropout=0.0)
    assert regard("export", checkpoint, "--to", "huggingface", "--output", tmp_path / "exported").code == 0
    said = regard("import", "huggingface", tmp_path / "exported", "--output", tmp_path / "imported")
    assert said.code == 0, said.err
    before, after = read_checkpoint(checkpoint), read_checkpoint(tmp_path / "imported")
    assert before["state_dict"].keys() == after["state_dict"].keys()
    for name, weight in before["state_dict"].items():
        torch.testing.assert_close(after["state_dict"][name], weight, atol=1e-6, rtol=1e-6)
    assert torch.equal(before["regard"]["target_tokenizer"], after["regard"]["target_tokenizer"])
    said = regard("export", tmp_path / "imported", "--to", "page", "--output", tmp_path / "page.html")
    assert said.code == 0, said.err
    configs = [flatten(each["regard"]["model"]) for each in (before, after)]
    for key in configs[0].keys() & configs[1].keys():
        assert configs[0][key] == configs[1][key], key


def write_config(folder: Path, **values: Any) -> None:
    (folder / "config.json").write_text(json.dumps(values))


LLAMA = {
    "model_type": "llama",
    **SIZES,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
}
GPT2 = {"model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 500}
STARCODER2 = {**LLAMA, "model_type": "starcoder2"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "mamba"}, 'model_type="mamba": regard has no such model; expected llama or'),
        (LLAMA | {"attention_bias": True}, "attention_bias=true: regard has no such model; expected false"),
        (LLAMA | {"mlp_bias": True}, "mlp_bias=true: "),
        (LLAMA | {"hidden_act": "gelu"}, 'hidden_act="gelu": regard has no such model; expected "silu"'),
        (LLAMA | {"head_dim": 32}, "head_dim=32: regard has no such model; expected 6"),
        (LLAMA | {"hidden_size": None}, "hidden_size=null: "),
        (LLAMA | {"rope_scaling": {"type": "linear"}}, 'rope_scaling={"type": "linear"}: '),
        (LLAMA | {"rope_parameters": {"rope_type": "llama3"}}, 'rope_parameters={"rope_type": "llama3"}: '),
        (STARCODER2 | {"sliding_window": 32}, "sliding_window=32: regard has no such model; expected null"),
        (STARCODER2 | {"norm_epsilon": 1e-6}, "norm_epsilon=1e-06: regard has no such model; expected 1e-05"),
        (STARCODER2 | {"hidden_act": "tanh"}, 'hidden_act="tanh": '),
        (GPT2 | {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=true: "),
        (GPT2 | {"layer_norm_epsilon": 1e-12}, "layer_norm_epsilon=1e-12: "),
        (GPT2 | {"activation_function": "tanh"}, 'activation_function="tanh": '),
        (GPT2 | {"vocab_size": 300}, "vocab_size=300: expected at least 500, as in vocab.json"),
        (GPT2 | {"eos_token_id": [1, 2]}, "eos_token_id=[1, 2]: expected one id below 500"),
    ],
)  # fmt: skip
def test_what_no_model_of_regard_has_is_refused(
    regard: Callable[..., Any], tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    byte_level_folder(tmp_path)
    write_config(tmp_path, **config)
    said = regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    assert said.code == 2
    assert said.err.startswith(f"regard: {tmp_path / 'config.json'}: {message}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "imported").exists()


def test_other_and_missing_tensors_are_refused(regard: Callable[..., Any], tmp_path: Path) -> None:
    byte_level_folder(tmp_path)
    config = transformers.GPT2Config(**{key: value for key, value in GPT2.items() if key != "model_type"})
    config.eos_token_id = config.bos_token_id = 499
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(weights | {"transformer.adapter": torch.zeros(3)}, tmp_path / "model.safetensors")
    said = regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    assert "the tensor transformer.adapter has no place in a model of regard" in said.err
    del weights["transformer.h.1.ln_2.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    said = regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    assert f"{tmp_path}: transformer.h.1.ln_2.bias is missing" in said.err
    (tmp_path / "model.safetensors").unlink()
    said = regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    assert f"{tmp_path}: model.safetensors cannot be read" in said.err


def test_verbs_use_an_imported_model(regard: Callable[..., Any], tmp_path: Path) -> None:
    byte_level_folder(tmp_path)
    config = transformers.GPT2Config(**{key: value for key, value in GPT2.items() if key != "model_type"})
    config.eos_token_id = config.bos_token_id = 499
    model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(tmp_path)
    folder = tmp_path / "imported"
    assert regard("import", "huggingface", tmp_path, "--output", folder).code == 0
    assert (folder / "tokenizer.json").is_file()
    said = regard("generate", folder, "--prompt", "import torch", "--max-new-tokens", "8", "--temperature", "0")
    assert said.out.startswith("import torch"), said.err
    assert regard("attend", folder, "--target", "import torch", "--output", tmp_path / "page.html").code == 0
    assert "import" in (tmp_path / "page.html").read_text(encoding="utf-8")
    (tmp_path / "text").write_text("\n".join(TEXT[:20]), encoding="utf-8")
    said = regard("heads", folder, "--target-file", tmp_path / "text", "--output", tmp_path)
    assert said.code == 0, said.err
    said = regard("export", folder, "--to", "huggingface", "--output", tmp_path / "again")
    assert said.code == 0, said.err
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "again")
    assert again.config.activation_function in ("gelu_new", "gelu_pytorch_tanh")
    encoded = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")("import torch").input_ids
    assert encoded == load_model(folder).tokenizers.target.encode("import torch")
    with torch.inference_mode():
        logits = again(torch.tensor([encoded])).logits
        torch.testing.assert_close(load_model(folder).model(torch.tensor([encoded])), logits, atol=1e-4, rtol=1e-5)


def marian_files(folder: Path, vocabulary_of_both: bool) -> dict[str, int]:
    """Files as of models of OPUS-MT: </s> and <unk> are first, the pieces of both languages follow, <pad> is last."""
    settings = TokenizerSettings(vocab_size=300, byte_fallback=False, kind="unigram", character_coverage=1.0)
    models = {}
    for side, text in (("source", TEXT), ("target", TEXT[::2])):
        model = proto.ModelProto.FromString(train_tokenizer(text, settings).model)
        del model.pieces[0]  # <pad>
        spec = model.trainer_spec
        spec.bos_id, spec.eos_id, spec.unk_id, spec.pad_id = 0, 1, 2, -1
        (folder / f"{side}.spm").write_bytes(model.SerializeToString())
        models[side] = [piece.piece for piece in model.pieces[3:]]
    if vocabulary_of_both:
        names = ["</s>", "<unk>", *dict.fromkeys([*models["target"], *models["source"]]), "<pad>"]
        ids = {name: token for token, name in enumerate(names)}
        (folder / "vocab.json").write_text(json.dumps(ids))
        return {"vocab_size": len(ids), "pad_token_id": len(ids) - 1, "decoder_start_token_id": len(ids) - 1}
    for name, side in (("vocab.json", "source"), ("target_vocab.json", "target")):
        names = ["</s>", "<unk>", "<pad>", *models[side]]
        (folder / name).write_text(json.dumps({name: token for token, name in enumerate(names)}))
    sizes = {"vocab_size": len(models["source"]) + 3, "decoder_vocab_size": len(models["target"]) + 3}
    return sizes | {"pad_token_id": 2, "decoder_start_token_id": 2, "share_encoder_decoder_embeddings": False}


@pytest.mark.parametrize(("vocabulary_of_both", "biased"), [(True, False), (False, False), (True, True), (False, True)])
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_marian_computes_the_same(
    tmp_path: Path, import_model: Callable[..., LoadedModel], vocabulary_of_both: bool, biased: bool
) -> None:
    """Also with a bias of the output layer, as models of OPUS-MT have it."""
    sizes = {"d_model": 24, "encoder_layers": 2, "decoder_layers": 1, "max_position_embeddings": 90}
    sizes |= {f"{side}_{key}": size for side in ("encoder", "decoder") for key, size in MARIAN_LAYERS.items()}
    ids = marian_files(tmp_path, vocabulary_of_both)
    config = transformers.MarianConfig(
        **sizes, **ids, eos_token_id=0, forced_eos_token_id=0, scale_embedding=True, activation_function="swish"
    )
    model = transformers.MarianMTModel(config).eval()
    randomise(model)
    for side in (model.model.encoder, model.model.decoder):
        side.embed_positions.weight.data = side.embed_positions.create_weight()
    model.tie_weights()
    model.final_logits_bias = biased * torch.randn_like(model.final_logits_bias)
    model.save_pretrained(tmp_path)
    files = {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"}
    files |= {} if vocabulary_of_both else {"target_vocab_file": "target_vocab.json"}
    theirs = transformers.MarianTokenizer(
        **{key: str(tmp_path / name) for key, name in files.items()}, separate_vocabs=not vocabulary_of_both
    )
    loaded = import_model(tmp_path)
    assert ("output" in loaded.config) == biased
    start = ids["decoder_start_token_id"]
    # There, names are tokens in a text, and a character that only the other language has is a token.
    for source, target in itertools.pairwise(line for line in LINES if "<" not in line and line.isascii()):
        there, answer = theirs(source).input_ids, theirs(text_target=target).input_ids[:-1]
        (rows, _), here = loaded.generator.source.encode([source]), loaded.tokenizers.target.encode(target)
        assert len(rows[0]) == len(there)
        assert len(here) == len(answer)
        with torch.inference_mode():
            prefix = torch.tensor([[start, *answer]])
            wanted = model(torch.tensor([there]), decoder_input_ids=prefix).logits[0]
            logits = loaded.model(torch.tensor([[BOS, *here]]), torch.tensor(rows))[0]
        steps = range(len(here))
        torch.testing.assert_close(logits[steps, here], wanted[steps, answer], atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(logits[:, [EOS, UNK, PAD]], wanted[:, [0, 1, start]], atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(logits[:, 4:].sort().values, _others(wanted, start), atol=1e-4, rtol=1e-5)


def _others(logits: torch.Tensor, pad: int) -> torch.Tensor:
    return logits[:, [token for token in range(logits.shape[1]) if token not in (0, 1, pad)]].sort().values


@pytest.mark.parametrize(
    ("options", "separate"), [("translator", False), ("post-norm translator", False), ("post-norm translator", True)]
)
def test_a_translator_comes_back_as_it_was(
    make_checkpoint: Callable[..., Path], regard: Callable[..., Any], tokenizer: Tokenizer, tmp_path: Path,
    options: str, separate: bool,
) -> None:  # fmt: skip
    settings = TokenizerSettings(vocab_size=100, byte_fallback=False)
    tokenizers = Tokenizers(train_tokenizer(TEXT, settings) if separate else tokenizer, tokenizer)
    checkpoint = make_checkpoint(options, translates=True, tokenizers=tokenizers)
    assert regard("export", checkpoint, "--to", "huggingface", "--output", tmp_path / "exported").code == 0
    said = regard("import", "huggingface", tmp_path / "exported", "--output", tmp_path / "imported")
    assert said.code == 0, said.err
    before, after = read_checkpoint(checkpoint), read_checkpoint(tmp_path / "imported")
    assert before["state_dict"].keys() == after["state_dict"].keys()
    for name, weight in before["state_dict"].items():
        torch.testing.assert_close(after["state_dict"][name], weight, atol=1e-6, rtol=1e-6)
    text = "the red house"
    found = [list(translate_lines(load_model(path).generator, [text], 1, 1.0, pytest.fail)) for path in (
        checkpoint, tmp_path / "imported"
    )]  # fmt: skip
    assert found[0] == found[1]


def fine_tuned(said: Any, corpus: Path, tmp_path: Path) -> dict[str, Any]:
    """The checkpoint of one step with hardly any learning rate, with the options that the import printed."""
    options = shlex.split(said.out.splitlines()[-1])[2:]
    parts = [f"data.{name}={corpus / name}.tsv" for name in ("train", "validation", "test")]
    places = [f"paths.cache={tmp_path / 'cache'}", f"paths.runs={tmp_path / 'runs'}"]
    short = ["trainer.max_steps=1", "optimizer.lr=1e-12", "logger=none", "callbacks.attention.sentences=1"]
    run = freeze(compose_points([*options, *parts, *places, *short]))[0]
    assert work(run.path) == 0
    return read_checkpoint(find_checkpoint(run.path))


def test_an_imported_language_model_is_fine_tuned(regard: Callable[..., Any], corpus: Path, tmp_path: Path) -> None:
    """With the options that are printed: the weights of the first step are those of the import."""
    byte_level_folder(tmp_path)
    config = transformers.GPT2Config(**{key: value for key, value in GPT2.items() if key != "model_type"})
    config.eos_token_id = config.bos_token_id = 499
    config.tie_word_embeddings = False
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    said = regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    assert " output=separate " in said.out.splitlines()[-1]
    assert said.out.splitlines()[-1].startswith(f"regard train init_from={tmp_path / 'imported'} task=language ")
    said = said._replace(out=f"{said.out.rstrip()} data=text data.document=line batches.tokens_per_batch=512")
    tuned, given = fine_tuned(said, corpus, tmp_path), read_checkpoint(tmp_path / "imported")
    for name, weight in given["state_dict"].items():
        torch.testing.assert_close(tuned["state_dict"][name], weight, atol=1e-6, rtol=0)
    assert torch.equal(tuned["regard"]["target_tokenizer"], given["regard"]["target_tokenizer"])


@pytest.mark.parametrize(
    ("options", "translates"),
    [("llama with groups", False), ("without biases", False), ("translator", True), ("post-norm translator", True)],
)
def test_the_printed_options_make_the_model(
    make_checkpoint: Callable[..., Path],
    regard: Callable[..., Any],
    corpus: Path,
    tmp_path: Path,
    options: str,
    translates: bool,
) -> None:
    others = {} if options != "llama with groups" else {"residual": RMS}
    checkpoint = make_checkpoint(options, translates=translates, **others)
    regard("export", checkpoint, "--to", "huggingface", "--output", tmp_path / "exported")
    said = regard("import", "huggingface", tmp_path / "exported", "--output", tmp_path / "imported")
    given = shlex.split(said.out.splitlines()[-1])[2:]
    data = ["data=parallel", "data.source=en", "data.target=de"] if translates else ["data=text"]
    parts = [f"data.{name}={corpus / name}.tsv" for name in ("train", "validation", "test")]
    ((config, _),) = compose_points([*given, *data, *parts, "logger=none"])
    assert config["init_from"] == str(tmp_path / "imported")


def test_tokenizer_json_and_weights_in_parts_are_read(
    make_checkpoint: Callable[..., Path], regard: Callable[..., Any], tmp_path: Path
) -> None:
    """As folders have them that have no SentencePiece model, and large models."""
    before = load_model(make_checkpoint("llama"))
    exported = tmp_path / "exported"
    regard("export", tmp_path / "best.ckpt", "--to", "huggingface", "--output", exported)
    (exported / "tokenizer.model").unlink()
    weights = load_file(exported / "model.safetensors")
    (exported / "model.safetensors").unlink()
    names = {name: f"part-{place % 2}.safetensors" for place, name in enumerate(sorted(weights))}
    for part in set(names.values()):
        save_file({name: weights[name] for name in weights if names[name] == part}, exported / part)
    (exported / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    said = regard("import", "huggingface", exported, "--output", tmp_path / "imported")
    assert said.code == 0, said.err
    after = load_model(tmp_path / "imported")
    texts = ["the red house is very green", "", "the  sheet is very, very black ", "book is boat"]
    ids = before.tokenizers.target.encode_batch(texts)
    assert after.tokenizers.target.encode_batch(texts) == ids
    assert [after.tokenizers.target.decode(row) for row in ids] == [before.tokenizers.target.decode(row) for row in ids]
    assert after.tokenizers.target.pieces(range(70)) == before.tokenizers.target.pieces(range(70))
    with torch.inference_mode():
        torch.testing.assert_close(after.model(torch.tensor([ids[0]])), before.model(torch.tensor([ids[0]])))


def test_what_needs_a_sentencepiece_model_refuses_another_tokenizer(regard: Callable[..., Any], tmp_path: Path) -> None:
    byte_level_folder(tmp_path)
    config = transformers.GPT2Config(**{key: value for key, value in GPT2.items() if key != "model_type"})
    config.eos_token_id = config.bos_token_id = 499
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    regard("import", "huggingface", tmp_path, "--output", tmp_path / "imported")
    for form in ("ctranslate2", "page"):
        said = regard("export", tmp_path / "imported", "--to", form, "--output", tmp_path / "exported")
        assert "tokenizer=tokenizer.json: expected a SentencePiece model" in said.err
        assert said.code == 2
        assert not (tmp_path / "exported").exists()
    with pytest.raises(UsageError, match="only SentencePiece models can sample; give null"):
        load_model(tmp_path / "imported").tokenizers.target.sample([[5, 6]], 0.1, 1)
