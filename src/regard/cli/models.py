"""Options for the model of a verb, and loading of the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.errors import UsageError

if TYPE_CHECKING:
    from regard.inference.language_model import LanguageModel
    from regard.inference.translator import Translator


def usable_device(name: str) -> str:
    """Check that ``name`` is a device of this machine, and return it.

    Raises UsageError if it is not.
    """
    kind, _, number = name.partition(":")
    if name == "cpu":  # without torch, whose import takes a second
        return name
    if kind not in ("cuda", "mps") or (number and not number.isdecimal()) or name.endswith(":"):
        raise UsageError(f"--device {name}: unknown device; expected cpu, cuda, cuda:1 (the second GPU) or mps")
    import torch

    count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if count == 0:
        raise UsageError(f"--device {name}: torch finds no such device on this machine; use --device cpu")
    if int(number or 0) >= count:
        raise UsageError(f"--device {name} does not exist: expected at most {kind}:{count - 1}, counted from 0")
    return name


Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or checkpoint.")]
Device = Annotated[str, typer.Option(help="Device to compute on: cpu, cuda, cuda:1, ...", callback=usable_device)]
Trust = Annotated[bool, typer.Option("--trust", help="Allow classes from outside regard in the checkpoint.")]


def load(run: Path, device: str, trust: bool) -> Translator | LanguageModel:
    """Load the model of RUN as a translator or language model."""
    from regard.inference.language_model import LanguageModel
    from regard.inference.translator import Translator
    from regard.runs.folder import find_checkpoint
    from regard.training.checkpoint import load_model

    loaded = load_model(find_checkpoint(run), device, trust)
    if loaded.model.encoder is None:
        return LanguageModel(loaded.model, loaded.target_tokenizer)
    return Translator(loaded.model, loaded.source_tokenizer, loaded.target_tokenizer)


def load_translator(run: Path, device: str, trust: bool) -> Translator:
    """Load the model of RUN. Raises UsageError if it is not a translation model."""
    from regard.inference.translator import Translator

    model = load(run, device, trust)
    if not isinstance(model, Translator):
        raise UsageError(f"{run} is a language model, but this verb needs a translation model; use regard generate")
    return model
