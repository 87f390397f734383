"""The verb that shows what a model attends to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, finite, warn
from regard.cli.drawing import Guidance, Seed, SolverName, Steps, drawing_settings, refuse
from regard.cli.models import Device, Run, Trust, as_text_generator, attended_input, load
from regard.errors import UsageError
from regard.files import require_writable

if TYPE_CHECKING:
    from regard.inference.drawing.drawing import Drawing
    from regard.inference.drawing.text_to_image import TextToImage
    from regard.inference.generator import TextGenerator


@app.command()
def attend(
    run: Run,
    source: Annotated[str | None, typer.Option(help="Sentence to translate.")] = None,
    image: Annotated[str | None, typer.Option(help="Image file to describe.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt of an image model.")] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Target text, or the text of a language model. Default: the output of the model."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="HTML file of the page; a PNG is written next to it.")] = None,
    megabytes: Annotated[float, typer.Option(min=0, callback=finite, help="Maximum size of the page.")] = 16,
    beam_size: Annotated[
        int | None, typer.Option(min=1, help="Open hypotheses per sentence. Default: 1, which is greedy.")
    ] = None,
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    solver: SolverName = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Write a page and a picture of what the model attends to, or of the kernels of a mixer that is not attention.

    An image model draws its prompt: the page shows each step, and which patches read which words.
    """
    drawing = drawing_settings(steps, guidance, solver)
    page = output or (run / "attention" / "attend.html" if run.is_dir() else Path("attend.html"))
    if page.suffix == ".png":
        raise UsageError(f"--output {page}: expected a page (.html); a PNG is written next to it")
    for file in (page, page.with_suffix(".png")):
        require_writable("--output", file)

    from regard.inference.drawing.text_to_image import TextToImage

    model = load(run, device, trust)
    max_bytes = round(megabytes * 2**20)
    picture: Path | None
    options = {"--source": source, "--image": image, "--prompt": prompt, "--target": target}
    if isinstance(model, TextToImage):
        refuse({"--target": target, "--beam-size": beam_size}, model.noun)
        read = model.read_prompt(str(attended_input(model, options)), "--prompt")
        picture, left_out = _attend_drawing(model, read, seed or 0, drawing, page, max_bytes)
    else:
        generator = as_text_generator(run, model)
        refuse({"--seed": seed, "--steps": steps, "--guidance": guidance, "--solver": solver}, model.noun)
        picture, left_out = _attend_text(generator, options, beam_size or 1, page, max_bytes)
    if left_out:
        warn(f"left out of the page because of --megabytes {megabytes:g}: {left_out}")
    print(f"page\t{page}")
    if picture is not None:
        print(f"picture\t{picture}")


def _attend_text(
    generator: TextGenerator, options: Mapping[str, str | None], beam_size: int, page: Path, max_bytes: int
) -> tuple[Path | None, str]:
    """Write the page of a text, and print the text; return the path of the picture and what was left out."""
    from regard.observe.draw.attend import write_attention
    from regard.observe.record.mixers import describe_mixers
    from regard.observe.record.trace import trace

    given, target = attended_input(generator, options), options["--target"]
    texts = [("--target", target or "", generator.target_tokenizer)]
    if generator.source is not None and generator.source.tokenizer is not None:
        name = str(generator.source_option)
        texts.insert(0, (name, options[name] or "", generator.source.tokenizer))
    for option, text, tokenizer in texts:
        if (tokens := len(tokenizer.encode(text))) > (most := generator.model.max_length - 1):
            warn(f"{option} has {tokens} tokens and is cut to the limit of the model, {most}")
    recorded = trace(generator, given, target, beam_size)
    if others := describe_mixers(recorded.mixers):
        warn(others)
    picture, left_out = write_attention(recorded, page, max_bytes)
    print(recorded.target)
    return picture, str(left_out)


def _attend_drawing(
    model: TextToImage, prompt: str, seed: int, drawing: Drawing, page: Path, max_bytes: int
) -> tuple[Path, str]:
    """Draw an image and write its page; return the path of the picture and what was left out."""
    from regard.inference.drawing.text_to_image import Wanted
    from regard.observe.draw.drawing.attend import write_drawing
    from regard.observe.record.drawing import trace_drawings

    (recorded,) = trace_drawings(model, [Wanted(prompt, seed)], drawing)
    return write_drawing(recorded, page, max_bytes)
