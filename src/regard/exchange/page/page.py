"""The format ``page``: a model that runs in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from regard.data.sources.image import ImageSource
from regard.exchange.page.deviation import measure_deviation, random_examples
from regard.exchange.page.drawing import measure_pixel_deviation
from regard.exchange.page.live import describe_architecture, describe_generator
from regard.exchange.page.render import render_live_page, views_of_drawings, views_of_text
from regard.exchange.page.statements import (
    describe_deviation,
    describe_pixel_deviation,
    describe_size,
    example_image,
    example_input,
    title_of,
)
from regard.exchange.page.weights import WeightFormat
from regard.exchange.unsupported import Unsupported
from regard.inference.captioner import Captioner
from regard.inference.drawing.text_to_image import TextToImage
from regard.inference.generator import Generator, TextGenerator
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator
from regard.observe.record.trace import trace_example
from regard.training.checkpoint import LoadedModel

FORMS: dict[type, str] = {
    Translator: "translate",
    LanguageModel: "continue",
    Captioner: "describe",
    TextToImage: "draw",
}
"""What is entered, a name of ``templates/live/form``, by the class of the generator."""


class Content(NamedTuple):
    """What a page of a model has beside the model.

    kind: of the output
    about: deviation and views, for the template
    facts: to print, by label
    """

    kind: Literal["text", "drawing"]
    about: dict[str, Any]
    facts: dict[str, str]


class Page:
    """One HTML file that is opened from disk. See `regard.exchange.formats.Format`."""

    output: ClassVar[str] = "model.html"
    is_folder: ClassVar[bool] = False
    weights: ClassVar[tuple[str, ...]] = ("float16", "float32", "int8")
    packages: ClassVar[tuple[str, ...]] = ()

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""
        form_of(model.generator)
        describe_architecture(_known(model.generator))

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> Mapping[str, object]:
        """See `Format`. A page of a run is opened with one of its samples."""
        generator, (matrices,) = _known(model.generator), [each for each in get_args(WeightFormat) if each == weights]
        live = describe_generator(generator, matrices)
        make_content = drawing_content if isinstance(generator, TextToImage) else text_content
        content = make_content(generator, matrices)
        about = content.about | {
            "title": title_of(generator),
            "facts": describe_size(generator, live.description["model"]) | {"weights": weights},
            "example": example_image(run) if isinstance(generator.source, ImageSource) else example_input(run),
        }
        page = render_live_page(content.kind, form_of(generator), live, about)
        written = output.write_bytes(page.encode("utf-8", errors="replace"))  # a sample may contain lone surrogates
        return {"size": f"{written / 1e6:.1f} MB", **content.facts}


def text_content(generator: Any, matrices: WeightFormat) -> Content:
    """Return the content of the page of a model that writes text."""
    found = measure_deviation(generator, matrices)
    views = views_of_text(trace_example(generator, random_examples(generator)[0]))
    facts = {
        "deviation of logits": f"at most {found.largest:.2g}, {found.mean:.2g} on average",
        "same next token": f"{found.same:.1%} of {found.positions} positions",
    }
    return Content("text", {"deviation": describe_deviation(found, matrices), **views}, facts)


def drawing_content(generator: Any, matrices: WeightFormat) -> Content:
    """Return the content of the page of an image model."""
    found = measure_pixel_deviation(generator, matrices)
    facts = {"deviation of pixels": f"at most {found.largest:.2g}, {found.mean:.2g} on average, of 255"}
    return Content("drawing", {"deviation": describe_pixel_deviation(found, matrices), **views_of_drawings()}, facts)


def form_of(generator: Generator) -> str:
    """Return the form of a model. Raises Unsupported for a generator of another class than those of regard."""
    for kind, form in FORMS.items():
        if isinstance(generator, kind):
            return form
    raise Unsupported("task.generator", generator, "one of regard")


def _known(generator: Generator) -> TextGenerator | TextToImage:
    assert isinstance(generator, TextGenerator | TextToImage)
    return generator
