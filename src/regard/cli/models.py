"""The model that a verb uses: its options, and how it is loaded."""

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

    Raises UsageError for another one.
    """
    kind, _, number = name.partition(":")
    if name == "cpu":  # without torch, which takes a second to load
        return name
    if kind not in ("cuda", "mps") or (number and not number.isdecimal()) or name.endswith(":"):
        raise UsageError(f"--device {name}: no such device; give cpu, cuda, cuda:1 (the second GPU) or mps")
    import torch

    count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if count == 0:
        raise UsageError(f"--device {name}: there is none on this machine that torch can use; give cpu")
    if int(number or 0) >= count:
        raise UsageError(f"--device {name}: there are {count}, counted from 0; give {kind}:{count - 1} or below")
    return name


Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a checkpoint.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...", callback=usable_device)]
Trust = Annotated[bool, typer.Option("--trust", help="Run classes from outside regard that the checkpoint names.")]


def load(run: Path, device: str, trust: bool) -> Translator | LanguageModel:
    """The model of RUN, with what it can do."""
    from regard.inference.language_model import LanguageModel
    from regard.inference.translator import Translator
    from regard.runs.folder import find_checkpoint
    from regard.training.checkpoint import load_model

    loaded = load_model(find_checkpoint(run), device, trust)
    if loaded.model.encoder is None:
        return LanguageModel(loaded.model, loaded.target_tokenizer)
    return Translator(loaded.model, loaded.source_tokenizer, loaded.target_tokenizer)


def load_translator(run: Path, device: str, trust: bool) -> Translator:
    """The model of RUN.

    Raises UsageError if it is not a translation model.
    """
    from regard.inference.translator import Translator

    model = load(run, device, trust)
    if not isinstance(model, Translator):
        raise UsageError(f"{run}: a language model, this verb needs a translation model; use regard generate")
    return model
