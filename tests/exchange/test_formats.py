"""The verb export: it writes every format of a run, and refuses before it writes anything."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regard.exchange.formats import FORMATS
from regard.runs.folder import RunFolder


@pytest.mark.parametrize(("to", "file"), [("ctranslate2", "model.bin"), ("onnx", "encoder.onnx")])
def test_a_format_is_written_to_the_run_with_its_vocabulary(
    finished: RunFolder, regard: Callable[..., Any], tmp_path: Path, to: str, file: str
) -> None:
    said = regard("export", finished.path, "--to", to, "--output", folder := tmp_path / "new" / to)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{to}\t{folder}"), said.err
    assert {file, "config.json", "tokenizer.model"} <= {path.name for path in folder.iterdir()}
    again = regard("export", finished.path, "--to", to, "--output", folder)
    assert (again.code, again.err) == (2, f"regard: --output {folder}: not empty; give the name of a new folder\n")


@pytest.mark.parametrize("to", ["ctranslate2", "onnx", "huggingface"])
def test_a_model_of_images_is_refused_with_the_formats_that_can_represent_it(
    finished_captioning: RunFolder, regard: Callable[..., Any], tmp_path: Path, to: str
) -> None:
    said = regard("export", finished_captioning.path, "--to", to, "--output", tmp_path / "new" / "model")
    assert said.code == 2
    assert said.err.startswith(f"regard: --to {to}: model.encoder=PatchEncoder: expected ")
    assert "; formats that can represent it: " in said.err
    assert "safetensors" in said.err.partition("represent it: ")[2]
    assert said.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "tflite"), f"--to tflite: unknown format; expected one of {', '.join(FORMATS)}"),
        (("--to", "onnx", "--weights", "int8"), "--weights int8: onnx has float32"),
        (("--to", "ctranslate2", "--weights", "int4"), "--weights int4: ctranslate2 has float32 or float16 or int8"),
    ],
)
def test_options_that_no_format_has_are_refused(
    finished: RunFolder, regard: Callable[..., Any], options: tuple[str, ...], message: str
) -> None:
    said = regard("export", finished.path, *options)
    assert (said.code, said.err) == (2, f"regard: {message}\n")


def test_a_missing_package_is_named_with_the_extra(
    finished: RunFolder, regard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else found(name))
    said = regard("export", finished.path, "--to", "onnx")
    assert (said.code, said.err) == (2, "regard: --to onnx needs the package onnx: pip install 'regard[export]'\n")
