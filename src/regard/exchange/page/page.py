"""The format ``page``: a model that runs in a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, get_args

from regard.data.sources.image import ImageSource
from regard.exchange.layers import Plain
from regard.exchange.page.deviation import Deviation, measure_deviation
from regard.exchange.page.live import describe_architecture, describe_generator
from regard.exchange.page.render import render_live_page
from regard.exchange.page.weights import WeightFormat
from regard.exchange.unsupported import Unsupported
from regard.inference.captioner import Captioner
from regard.inference.generator import TextGenerator
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.training.checkpoint import LoadedModel

FORMS: dict[type, str] = {Translator: "translate", LanguageModel: "continue", Captioner: "describe"}
"""What is entered and computed, a name of ``templates/live/form``, by the class of the generator."""

EXAMPLE_CHARACTERS = 80


class Page:
    """One HTML file that is opened from disk. See `regard.exchange.formats.Format`."""

    output: ClassVar[str] = "model.html"
    is_folder: ClassVar[bool] = False
    weights: ClassVar[tuple[str, ...]] = ("float16", "float32", "int8")
    packages: ClassVar[tuple[str, ...]] = ()

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""
        generator = _text_generator(model)
        _form(model)
        describe_architecture(generator)

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> Mapping[str, object]:
        """See `Format`. A page of a run is opened with one of its samples."""
        generator, (matrices,) = _text_generator(model), [each for each in get_args(WeightFormat) if each == weights]
        live = describe_generator(generator, matrices)
        deviation = measure_deviation(generator, matrices)
        about = describe_deviation(deviation, matrices)
        facts = describe_size(generator, live.description["model"]) | {"weights": weights}
        example = "" if isinstance(generator.source, ImageSource) else example_input(run)
        page = render_live_page(generator, live, _form(model), facts, about, example)
        content = page.encode("utf-8", errors="replace")  # a sample may contain lone surrogates
        output.write_bytes(content)
        return {
            "size": f"{len(content) / 1e6:.1f} MB",
            "deviation of logits": f"at most {deviation.largest:.2g}, {deviation.mean:.2g} on average",
            "same next token": f"{deviation.same:.1%} of {deviation.positions} positions",
        }


def describe_deviation(deviation: Deviation, matrices: WeightFormat) -> str:
    """Return sentences for the page on what the format of the weights changes."""
    stored = f"Matrices are stored as {matrices}{' with a scale per row' if matrices == 'int8' else ''}."
    if matrices == "float32":
        return f"{stored} Logits are those of PyTorch up to rounding."
    return (
        f"{stored} This changes the logits by at most {deviation.largest:.2g}, on average by {deviation.mean:.2g}, and "
        f"keeps {deviation.same:.1%} of the most likely next tokens, compared with float32 in PyTorch on "
        f"{deviation.positions} positions of {deviation.examples} random inputs."
    )


def describe_size(generator: TextGenerator, description: Plain) -> dict[str, str]:
    """Return the sizes of a model by label."""
    parameters = sum(parameter.numel() for parameter in generator.model.parameters())
    stacks = {name: description[name] for name in ("encoder", "decoder") if description[name]}
    layers = ", ".join(f"{len(stack['layers'])} in the {name}" for name, stack in stacks.items())
    return {
        "parameters": f"{parameters / 1e6:.1f} million" if parameters >= 1e5 else f"{parameters:,}",
        "layers": layers if len(stacks) > 1 else str(len(description["decoder"]["layers"])),
        "dimension": str(description["dim"]),
        "vocabulary": f"{generator.target_tokenizer.vocab_size:,}",
        "longest text": f"{description['max_length']:,} tokens",
    }


def example_input(run: Path) -> str:
    """Return an input of the samples of a run folder; empty if there is none, as for a checkpoint.

    It is the longest one of at most EXAMPLE_CHARACTERS.
    """
    samples = run / "samples.jsonl"
    try:
        inputs = [str(json.loads(line)["source"]) for line in samples.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return max((text for text in inputs if len(text) <= EXAMPLE_CHARACTERS), key=len, default="")


def _text_generator(model: LoadedModel) -> TextGenerator:
    if not isinstance(model.generator, TextGenerator):
        raise Unsupported("task", model.task, "translation, language or captioning")
    return model.generator


def _form(model: LoadedModel) -> str:
    for kind, form in FORMS.items():
        if isinstance(model.generator, kind):
            return form
    raise Unsupported("task", model.task, "translation, language or captioning")
