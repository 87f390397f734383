"""The formats that trained models are exported to."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from hydra.utils import get_object

from regard.errors import UsageError
from regard.exchange.unsupported import Unsupported
from regard.training.checkpoint import LoadedModel

FORMATS: dict[str, str] = {
    "ctranslate2": "regard.exchange.ctranslate2.format.CTranslate2",
    "huggingface": "regard.exchange.huggingface.format.HuggingFace",
    "onnx": "regard.exchange.onnx.format.Onnx",
    "page": "regard.exchange.page.page.Page",
    "safetensors": "regard.exchange.safetensors.Safetensors",
}
"""Class of each format, imported only when it is used."""

READERS: dict[str, str] = {"huggingface": "regard.exchange.huggingface.read.read_folder"}
"""Function that reads a model of each format that can be imported."""

READERS_NEED = ("safetensors", "tokenizers")

Reader = Callable[[Path], dict[str, Any]]
"""Returns what a checkpoint of a model would contain. Raises UsageError for what no model of regard has."""


class Format(Protocol):
    """A form of a trained model that other programs read.

    output: default name of the file or folder
    is_folder: whether the output is a folder
    weights: number formats of the weights to choose from; the first is the default
    packages: top-level names that it imports, from the extra ``export`` of regard
    """

    output: ClassVar[str]
    is_folder: ClassVar[bool]
    weights: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]]

    def check(self, model: LoadedModel) -> None:
        """Raise Unsupported if the format cannot represent the model. Writes nothing."""

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> Mapping[str, object]:
        """Write a model that passes `check`.

        ``run`` is its run folder or checkpoint; ``output`` is the file to write, or an empty folder. Return facts to
        print, by label.
        """


def find_format(name: str) -> Format:
    """Return the format ``name``. Raises UsageError naming the known formats, or a package that is not installed."""
    if name not in FORMATS:
        raise UsageError(f"--to {name}: unknown format; expected one of {', '.join(FORMATS)}")
    found: Format = get_object(FORMATS[name])()
    _require_packages(f"--to {name}", found.packages)
    return found


def find_reader(name: str) -> Reader:
    """Return the reader of a format. Raises UsageError naming the known ones, or a package that is not installed."""
    if name not in READERS:
        raise UsageError(f"FORMAT {name}: regard cannot read it; expected {', '.join(READERS)}")
    _require_packages(f"import {name}", READERS_NEED)
    found: Reader = get_object(READERS[name])
    return found


def _require_packages(what: str, packages: tuple[str, ...]) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"{what} needs the package {package}: pip install 'regard[export]'")


def check(name: str, model: LoadedModel) -> None:
    """Check that a format can represent a model. Raises UsageError naming the formats that can, if it cannot."""
    try:
        get_object(FORMATS[name])().check(model)
    except Unsupported as error:
        others = ", ".join(other for other in FORMATS if other != name and _can_represent(other, model))
        hint = f"formats that can represent it: {others}" if others else "no other format can represent it either"
        raise UsageError(f"--to {name}: {error}; {hint}") from error


def _can_represent(name: str, model: LoadedModel) -> bool:
    try:
        get_object(FORMATS[name])().check(model)
    except Unsupported:
        return False
    return True
