"""Checkpoints: complete, safe to load, written atomically."""

from __future__ import annotations

import json
import os
import pickle
import resource
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import get_object
from torch import Tensor, nn

from regard.compatibility import RENAMED, with_present_names
from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.errors import RegardError
from regard.inference.score import score_lines
from regard.inference.stream import translate_lines
from regard.inference.translator import Translator
from regard.instantiate import build
from regard.model.positions import NoPositions
from regard.model.transformer import Transformer
from regard.training.checkpoint import (
    describe_model,
    find_last_checkpoint,
    load_model,
    load_weights,
    read_checkpoint,
)
from regard.training.checkpoint_io import SafeCheckpointIO

SIZES = {"dim": 8, "depth": 1, "num_heads": 2, "ffn_dim": 8, "dropout": 0.1}
ATTENTION = {"_target_": "regard.model.mixer.SelfAttention", "_partial_": True}
PREFIX, SOURCE = torch.tensor([[1, 5, 6]]), torch.tensor([[4, 5, 2]])


def model_config(**options: Any) -> dict[str, Any]:
    def piece(name: str, **arguments: Any) -> dict[str, Any]:
        return {"_target_": f"regard.model.{name}", "_partial_": True, **arguments}

    pieces = {
        "positions": piece("positions.Sinusoidal"),
        "mixer": ATTENTION,
        "feed_forward": piece("feed_forward.relu"),
        "residual": piece("residual.PreNorm", norm=piece("norm.layer_norm")),
        "encoder": piece("encoders.text.TextEncoder", depth=1),
    }
    sizes = SIZES | {"vocab_size": 70, "source_vocab_size": None, "max_length": 16}
    return {"_target_": "regard.model.transformer.Transformer", **sizes, **pieces} | options


def content(
    tokenizer: Tokenizer, config: dict[str, Any] | None = None, source_tokenizer: Tokenizer | None = None
) -> dict[str, Any]:
    """The checkpoint of a small random model, with further keys."""
    config = config or model_config()
    state = {f"model.{name}": weight for name, weight in build(config).state_dict().items()}
    description = describe_model(
        "translation", Translator, config, {}, Tokenizers(source_tokenizer or tokenizer, tokenizer)
    )
    return {"state_dict": state | {"other.part": torch.zeros(2)}, "global_step": 12} | description


@pytest.fixture
def checkpoint(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(content(tokenizer), path)
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Content of checkpoints.


def test_a_model_is_loaded_from_its_checkpoint_alone(tmp_path: Path, tokenizer: Tokenizer) -> None:
    saved = content(tokenizer)
    SafeCheckpointIO().save_checkpoint(saved, tmp_path / "best.ckpt")
    loaded = load_model(tmp_path / "best.ckpt")
    assert isinstance(loaded.model, Transformer)
    assert (loaded.task, loaded.step, loaded.config) == ("translation", 12, model_config())
    assert loaded.tokenizers.source is loaded.tokenizers.target
    assert loaded.tokenizers.target.model == tokenizer.model
    assert not loaded.model.training
    weights = loaded.model.state_dict()
    assert weights.keys() == {name.removeprefix("model.") for name in saved["state_dict"]} - {"other.part"}
    for name, weight in weights.items():
        assert torch.equal(weight, saved["state_dict"][f"model.{name}"])
    assert loaded.model.encoder.embedding is loaded.model.decoder.embedding


def test_both_tokenizers_of_separate_vocabularies_are_loaded(tmp_path: Path, tokenizer: Tokenizer) -> None:
    settings = TokenizerSettings(vocab_size=30, byte_fallback=False, character_coverage=1.0)
    other = train_tokenizer(["one two three four five six seven"], settings)
    saved = content(tokenizer, model_config(source_vocab_size=30), other)
    SafeCheckpointIO().save_checkpoint(saved, tmp_path / "best.ckpt")
    loaded = load_model(tmp_path / "best.ckpt")
    assert (loaded.tokenizers.source.model, loaded.tokenizers.target.model) == (other.model, tokenizer.model)
    assert loaded.tokenizers.source.decode(other.encode("two six")) == "two six"


def test_it_loads_without_running_code(checkpoint: Path) -> None:
    loaded = torch.load(checkpoint, weights_only=True)
    assert loaded["regard"]["model"] == model_config()


def test_a_model_configuration_with_earlier_names_is_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rotation = {"_target_": "regard.model.positions.Unturned", "_partial_": True}
    config = model_config(
        positions={"_target_": "regard.model.positions.Unmarked", "_partial_": True},
        mixer=ATTENTION | {"rotation": rotation},
        encoder={"_target_": "regard.model.encoder.TextEncoder", "_partial_": True, "depth": 1},
    )
    saved = content(tokenizer, with_present_names(config))
    saved["regard"]["model"] = config
    torch.save(saved, tmp_path / "best.ckpt")
    loaded = load_model(tmp_path / "best.ckpt")
    assert isinstance(loaded.model.decoder.embedding.positions, NoPositions)
    assert "Un" not in json.dumps(loaded.config)
    translator = Translator(loaded.model.eval(), loaded.tokenizers)
    assert list(translate_lines(translator, ["two six"], 1, 1.0, warn=pytest.fail))
    assert list(score_lines(translator, ["two six\ttwo six"]))


@pytest.mark.parametrize("present", RENAMED.values())
def test_a_renamed_class_has_its_present_name(present: str) -> None:
    found = get_object(present)
    assert f"{found.__module__}.{found.__qualname__}" == present


def test_weights_are_copied_out_of_the_file(checkpoint: Path) -> None:
    loaded = load_model(checkpoint)
    before = loaded.model(PREFIX, SOURCE)
    checkpoint.unlink()
    torch.testing.assert_close(loaded.model(PREFIX, SOURCE), before)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.zero_()


# Files that are not checkpoints, and weights that do not fit.


def damaged(checkpoint: Path, raw: bytes) -> Path:
    checkpoint.write_bytes(raw)
    return checkpoint


def torch_file(checkpoint: Path, anything: object) -> Path:
    torch.save(anything, checkpoint)
    return checkpoint


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.with_name("none.ckpt"), "none.ckpt: no such checkpoint"),
        (lambda path: path.parent, ": no such checkpoint"),
        (lambda path: damaged(path, b""), "last.ckpt: not a checkpoint; expected"),
        (lambda path: damaged(path, b"step,loss\n1,2\n"), "last.ckpt: not a checkpoint; expected"),
        (lambda path: damaged(path, os.urandom(5000)), "last.ckpt: not a checkpoint; expected"),
        (lambda path: damaged(path, path.read_bytes()[:-1]), "last.ckpt: not a"),
        (lambda path: damaged(path, path.read_bytes()[:3000]), "last.ckpt: not a checkpoint; expected"),
        (lambda path: damaged(path, pickle.dumps({"regard": {}})), "last.ckpt: not a checkpoint; expected"),
        (lambda path: torch_file(path, {"module": nn.Linear(2, 2)}), "last.ckpt: not a readable checkpoint"),
        (lambda path: torch_file(path, torch.zeros(3)), "a PyTorch file, but not a checkpoint written by regard"),
        (lambda path: torch_file(path, {"state_dict": {}}), "a PyTorch file, but not a checkpoint written by regard"),
        (lambda path: torch_file(path, {"regard": 1, "state_dict": {}}), "but not a checkpoint written by regard"),
        (
            lambda path: torch_file(path, {"regard": {"format": 99}, "state_dict": {}}),
            "checkpoint format 99, but this version of regard reads format 1",
        ),
    ],
)
def test_a_file_that_is_not_a_checkpoint_is_refused_in_one_line(
    checkpoint: Path, make: Callable[[Path], Path], message: str
) -> None:
    path = make(checkpoint)
    for read in (read_checkpoint, load_model):
        with pytest.raises(RegardError) as raised:
            read(path)
        assert message in str(raised.value)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_any_changed_byte_is_either_harmless_or_a_regard_error(checkpoint: Path) -> None:
    raw, readable = checkpoint.read_bytes(), 0
    for place in range(0, len(raw), len(raw) // 150):
        try:
            read_checkpoint(damaged(checkpoint, raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :]))
            readable += 1  # for example, a changed weight
        except RegardError:
            pass
    assert readable > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 71}, r"embedding\.tokens\.weight is \[70, 8\] in the checkpoint and \[71, 8\] in the model"),
        ({"depth": 2}, r"layers\.1\.cross\.key_value\.bias is missing in the checkpoint and \[16\] in the model"),
        ({"encoder": None}, r"layers\.0\.cross\.key_value\.bias is \[16\] in the checkpoint and missing in the model"),
    ],
)
def test_weights_that_do_not_fit_are_named(checkpoint: Path, options: dict[str, Any], message: str) -> None:
    model = build(model_config(**options))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(RegardError, match=message):
        load_weights(model, read_checkpoint(checkpoint), checkpoint)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_weights_that_fit_are_loaded(checkpoint: Path) -> None:
    model = build(model_config(dropout=0.0))
    load_weights(model, read_checkpoint(checkpoint), checkpoint)
    torch.testing.assert_close(model.eval()(PREFIX, SOURCE), load_model(checkpoint).model(PREFIX, SOURCE))


# Trusted targets.


def foreign(target: str, **arguments: Any) -> dict[str, Any]:
    """A configuration that contains ``target``."""
    return model_config(mixer={"_target_": target, "_partial_": True} | arguments)


def test_a_foreign_class_needs_trust(tmp_path: Path, tokenizer: Tokenizer, importable: Callable[[Path], None]) -> None:
    (tmp_path / "my_mixers.py").write_text(
        "from regard.model.mixer import SelfAttention\n\n\nclass Mine(SelfAttention): ...\n"
    )
    importable(tmp_path)
    path = tmp_path / "best.ckpt"
    SafeCheckpointIO().save_checkpoint(content(tokenizer, foreign("my_mixers.Mine")), path)
    with pytest.raises(RegardError, match=r"refers to my_mixers\.Mine, .* --trust"):
        load_model(path)
    loaded = load_model(path, trust=True)
    assert type(loaded.model.encoder.layers[0].mixer).__name__ == "Mine"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.exec",
        "regard_but_not_ours.Mixer",
        "regard.model.mixer.torch.hub.load",  # accessible through regard, but not defined in it
        "regard.inference.decoding.torch.load",
        "regard.training.checkpoint.os.system",
        "regard.instantiate.build",  # calls any function
        "torchvision.datasets.utils.download_url",  # writes any file
        "torchvision.models.resnet.nn.Linear",
        "regard.model.${name}",
        "regard.model.mixer.NoSuchMixer",
        "regard.model.",
    ],
)
def test_a_checkpoint_can_only_build_parts_of_models(tmp_path: Path, tokenizer: Tokenizer, target: str) -> None:
    path, saved = tmp_path / "best.ckpt", content(tokenizer)
    saved["regard"]["model"] = foreign(target, name="mixer.SelfAttention")
    SafeCheckpointIO().save_checkpoint(saved, path)
    with pytest.raises(RegardError, match=r"the checkpoint refers to .*--trust"):
        load_model(path)


def test_an_untrusted_target_in_a_list_is_found(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path, saved = tmp_path / "best.ckpt", content(tokenizer)
    saved["regard"]["model"]["mixer"] = {**ATTENTION, "_args_": [[{"_target_": "os.getcwd"}]]}
    SafeCheckpointIO().save_checkpoint(saved, path)
    with pytest.raises(RegardError, match=r"the checkpoint refers to os\.getcwd"):
        load_model(path)


# Writing, and finding the newest readable checkpoint.


def saved_steps(folder: Path) -> dict[str, int]:
    return {path.name: torch.load(path, weights_only=True)["global_step"] for path in folder.iterdir()}


def save(path: Path, step: int, tokenizer: Tokenizer) -> None:
    SafeCheckpointIO().save_checkpoint(content(tokenizer) | {"global_step": step}, path)


def test_only_last_keeps_its_previous_checkpoint(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = tmp_path / "checkpoints"  # does not exist yet
    for step in (1, 2, 3):
        save(folder / "last.ckpt", step, tokenizer)
        save(folder / "best.ckpt", step, tokenizer)
    assert saved_steps(folder) == {"last.ckpt": 3, "last.previous.ckpt": 2, "best.ckpt": 3}


def test_the_partial_file_of_a_killed_save_is_replaced_by_the_next_save(
    checkpoint: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(_: object, file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(torch, "save", half)
        killed.setattr(Path, "unlink", lambda *_, **__: None)  # a kill leaves the file
        with pytest.raises(KeyboardInterrupt):
            save(checkpoint, 13, tokenizer)
    assert len(files(checkpoint.parent)) == 2
    for number in range(14, 17):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        save(checkpoint, number, tokenizer)
    assert files(checkpoint.parent) == {"last.ckpt", "last.previous.ckpt"}


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), RuntimeError("no file of mine"), MemoryError()])
def test_a_crash_during_a_save_keeps_the_old_checkpoint(
    checkpoint: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, broken: BaseException
) -> None:
    before = checkpoint.read_bytes()

    def half(_: object, file: Any) -> None:
        file.write(before[: len(before) // 2])
        raise broken

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(type(broken)) as raised:
        save(checkpoint, 13, tokenizer)
    assert raised.value is broken
    assert files(checkpoint.parent) == {"last.ckpt"}
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("size", [1000, 100_000])  # the error occurs at the flush, or earlier
def test_a_full_disk_raises_an_os_error_and_keeps_the_old_checkpoint(checkpoint: Path, size: int) -> None:
    before, limits = checkpoint.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 4, limits[1]))  # maximum size of files
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            SafeCheckpointIO().save_checkpoint({"weights": torch.zeros(size)}, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(checkpoint)
    assert files(checkpoint.parent) == {"last.ckpt"}
    assert checkpoint.read_bytes() == before


def test_the_newest_readable_checkpoint_is_found(tmp_path: Path, tokenizer: Tokenizer) -> None:
    assert find_last_checkpoint(tmp_path) is None
    save(tmp_path / "last.ckpt", 1, tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_last_checkpoint(tmp_path) == tmp_path / "last.ckpt"
        save(tmp_path / "last.ckpt", 2, tokenizer)
        assert find_last_checkpoint(tmp_path) == tmp_path / "last.ckpt"


def test_a_truncated_last_checkpoint_falls_back_with_a_warning(tmp_path: Path, tokenizer: Tokenizer) -> None:
    last = tmp_path / "last.ckpt"
    save(last, 1, tokenizer)
    save(last, 2, tokenizer)
    last.write_bytes(last.read_bytes()[:-2000])
    with pytest.warns(UserWarning, match=r"last\.ckpt: not a .*checkpoint.* trying the previous checkpoint"):
        assert find_last_checkpoint(tmp_path) == tmp_path / "last.previous.ckpt"
    last.unlink()  # the state after a kill between the two renames
    assert find_last_checkpoint(tmp_path) == tmp_path / "last.previous.ckpt"


def test_a_checkpoint_can_be_replaced_while_the_old_file_is_mapped(checkpoint: Path, tokenizer: Tokenizer) -> None:
    mapped: dict[str, Tensor] = read_checkpoint(checkpoint)["state_dict"]
    name = "model.decoder.norm.weight"
    before = mapped[name].clone()
    save(checkpoint, 13, tokenizer)
    save(checkpoint, 14, tokenizer)
    assert torch.equal(mapped[name], before)
