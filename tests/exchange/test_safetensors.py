"""Models as folders of safetensors, JSON and vocabularies: the same as their checkpoints, and used in their place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from regard.config.compose import compose_points, freeze
from regard.data.tokenizer.tokenizer import TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import RegardError, UsageError
from regard.runs.folder import RunFolder, find_checkpoint
from regard.runs.work import work
from regard.training.checkpoint import load_model, read_checkpoint
from regard.training.model_folder import write_model_folder


@pytest.fixture(scope="module")
def folder(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a translator that has been trained."""
    folder = tmp_path_factory.mktemp("model")
    write_model_folder(folder, read_checkpoint(find_checkpoint(finished.path)))
    return folder


@pytest.mark.parametrize("kind", ["finished", "finished_language", "finished_captioning", "finished_drawing"])
def test_the_folder_of_any_model_has_the_content_of_its_checkpoint(
    kind: str, request: pytest.FixtureRequest, regard: Callable[..., Any], tmp_path: Path
) -> None:
    run: RunFolder = request.getfixturevalue(kind)
    said = regard("export", run.path, "--to", "safetensors", "--output", tmp_path / "model")
    assert said.code == 0, said.err
    saved, read = read_checkpoint(find_checkpoint(run.path)), read_checkpoint(tmp_path / "model")
    assert read["global_step"] == saved["global_step"]
    vocabularies = "target_tokenizer", "source_tokenizer"
    plain = {key: value for key, value in saved["regard"].items() if key not in vocabularies}
    assert {key: value for key, value in read["regard"].items() if key not in vocabularies} == plain
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == plain | {"global_step": saved["global_step"]}
    assert torch.equal(read["regard"]["target_tokenizer"], saved["regard"]["target_tokenizer"])
    of_model = {name: weight for name, weight in saved["state_dict"].items() if name.startswith("model.")}
    assert read["state_dict"].keys() == of_model.keys()
    for name, weight in of_model.items():
        assert torch.equal(read["state_dict"][name], weight), name
        assert read["state_dict"][name].dtype == weight.dtype
    load_model(tmp_path / "model")


def test_a_shared_weight_is_written_once(folder: Path) -> None:
    with safe_open(folder / "model.safetensors", "pt") as file:
        names, metadata = set(file.keys()), file.metadata()
    assert metadata["decoder.embedding.tokens.weight"] in names
    assert "decoder.embedding.tokens.weight" not in names
    loaded = load_model(folder)
    assert loaded.model.encoder.embedding is loaded.model.decoder.embedding


def test_both_vocabularies_are_files(folder: Path, tmp_path: Path) -> None:
    content = read_checkpoint(folder)
    settings = TokenizerSettings(vocab_size=30, byte_fallback=False, character_coverage=1.0)
    other = train_tokenizer(["one two three four five six seven"], settings)
    content["regard"]["source_tokenizer"] = torch.frombuffer(bytearray(other.model), dtype=torch.uint8)
    write_model_folder(tmp_path, content)
    assert (tmp_path / "source.model").read_bytes() == other.model
    assert (tmp_path / "target.model").read_bytes() == (folder / "tokenizer.model").read_bytes()
    assert torch.equal(read_checkpoint(tmp_path)["regard"]["source_tokenizer"], content["regard"]["source_tokenizer"])
    assert not (tmp_path / "tokenizer.model").exists()


def test_verbs_use_the_folder_in_place_of_the_run(
    finished: RunFolder, folder: Path, regard: Callable[..., Any], tmp_path: Path
) -> None:
    line = "the red house is very green"
    translated = [regard("translate", run, stdin=line) for run in (finished.path, folder)]
    assert translated[0].out == translated[1].out
    assert translated[1].code == 0
    for name, text in (("source", line), ("target", "das Haus ist rot")):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    files = "--source-file", tmp_path / "source", "--target-file", tmp_path / "target"
    measured = regard("heads", folder, *files, "--output", tmp_path)
    assert measured.code == 0, measured.err


def test_a_run_starts_with_the_weights_and_the_vocabulary_of_a_folder(arguments: list[str], folder: Path) -> None:
    begin = [*arguments, f"init_from={folder}", "name=tuned", "trainer.max_steps=1", "optimizer.lr=1e-12"]
    run = freeze(compose_points(begin))[0]
    assert work(run.path) == 0
    tuned, given = read_checkpoint(find_checkpoint(run.path)), read_checkpoint(folder)
    for name, weight in given["state_dict"].items():
        torch.testing.assert_close(tuned["state_dict"][name], weight, atol=1e-6, rtol=0)
    assert torch.equal(tuned["regard"]["target_tokenizer"], given["regard"]["target_tokenizer"])
    with pytest.raises(UsageError, match=re.escape(f"init_from={folder} has model.dim=16")):
        freeze(compose_points([*begin, "model.dim=32"]))


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("config.json", None, "config.json: No such file or directory; expected a folder that regard wrote"),
        ("config.json", b"{", "config.json: not JSON (Expecting property name"),
        ("config.json", b'{"model_type": "gpt2"}', "config.json: not a model of regard; a folder of transformers "),
        ("model.safetensors", None, "model.safetensors: No such file or directory"),
        ("model.safetensors", b"1234567890", "model.safetensors: not a readable file of weights ("),
        ("tokenizer.model", None, "tokenizer.model is missing; expected a folder that regard wrote"),
        ("tokenizer.model", b"pieces", "the vocabulary is not a SentencePiece model"),
    ],
)
def test_damaged_and_missing_files_are_named(
    folder: Path, tmp_path: Path, name: str, raw: bytes | None, message: str
) -> None:
    for path in folder.iterdir():
        if path.name != name:
            (tmp_path / path.name).symlink_to(path)
        elif raw is not None:
            (tmp_path / name).write_bytes(raw)
    with pytest.raises(RegardError, match=re.escape(message)) as refused:
        load_model(tmp_path)
    assert "\n" not in str(refused.value)
