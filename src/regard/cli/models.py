"""Options for the model of a verb, and loading of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from regard.errors import UsageError

if TYPE_CHECKING:
    from regard.inference.generator import Generator, TextGenerator

G = TypeVar("G")


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


Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, checkpoint, or folder of a model.")]
Device = Annotated[str, typer.Option(help="Device to compute on: cpu, cuda, cuda:1, ...", callback=usable_device)]
Trust = Annotated[bool, typer.Option("--trust", help="Allow classes from outside regard in the checkpoint.")]


def load(run: Path, device: str, trust: bool) -> Generator:
    """Load the model of RUN."""
    from regard.runs.folder import find_checkpoint
    from regard.training.checkpoint import load_model

    return load_model(find_checkpoint(run), device, trust).generator


def load_as(kind: type[G], run: Path, device: str, trust: bool) -> G:
    """Load the model of RUN for a verb that is for models of one ``kind``. Raises UsageError for another kind."""
    generator = load(run, device, trust)
    if not isinstance(generator, kind):
        needed: Any = kind
        raise _wrong_kind(run, generator, needed.noun)
    return generator


def load_text_generator(run: Path, device: str, trust: bool) -> TextGenerator:
    """Load the model of RUN for a verb that is for models that write text. Raises UsageError for another model."""
    return as_text_generator(run, load(run, device, trust))


def as_text_generator(run: Path, generator: Generator) -> TextGenerator:
    """Return the model of RUN if it writes text. Raises UsageError for another model."""
    from regard.inference.generator import TextGenerator

    if not isinstance(generator, TextGenerator):
        raise _wrong_kind(run, generator, "a model that writes text")
    return generator


def _wrong_kind(run: Path, generator: Generator, needed: str) -> UsageError:
    return UsageError(f"{run} is {generator.noun}, but this verb needs {needed}; use regard {generator.verb}")


def attended_input(generator: Generator, options: Mapping[str, str | None]) -> Any | None:
    """Return the input of the encoder that the options name; None for a model that reads only --target.

    Raises UsageError if a needed option is missing or blank, or if the model has no such input.
    """
    needed = generator.source_option or "--target"
    for option, value in options.items():
        if value is not None and option not in (needed, "--target"):
            raise UsageError(f"{option}: {generator.noun} has no {option.strip('-')}; give only {needed}")
    value = options[needed]
    if value is None or not value.strip():
        raise UsageError(f"{needed} is empty or missing: {generator.noun} needs {generator.input_noun}")
    return None if generator.source is None else generator.source.read(value)
