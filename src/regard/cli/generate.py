"""The verb that samples: continuations of a text, or images of a prompt."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, finite, warn
from regard.cli.drawing import Guidance, SolverName, Steps, drawing_settings, refuse
from regard.cli.models import Device, Run, Trust, load
from regard.cli.streams import stdin_is_terminal, stdin_lines
from regard.errors import UsageError
from regard.files import require_writable

if TYPE_CHECKING:
    from regard.inference.drawing.drawing import Drawing
    from regard.inference.drawing.text_to_image import TextToImage
    from regard.inference.generate import Writer

SHEET = "sheet.png"


@app.command()
def generate(
    run: Run,
    prompt: Annotated[
        str | None, typer.Option(help="Text to continue or to draw. Default: each line of stdin.")
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Number of continuations or images per prompt.")] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**64 - 1, help="Seed of the sampling. Default: a random one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per continuation or image.")] = False,
    temperature: Annotated[
        float | None,
        typer.Option(min=0.0, callback=finite, help="Language models: 0 selects the most likely token. Default: 1."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Language models: sample from this number of most likely tokens.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Language models: sample from the most likely tokens that together reach this probability."),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=0, help="Language models: maximum number of new tokens. Default: 256.")
    ] = None,
    next_tokens: Annotated[
        int | None,
        typer.Option("--next", min=1, help="Language models: print only this number of most likely next tokens."),
    ] = None,
    guidance: Guidance = None,
    steps: Steps = None,
    solver: SolverName = None,
    output: Annotated[
        Path | None, typer.Option(help=f"Image models: folder of the images and of {SHEET}. Default: images.")
    ] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Continue a prompt with a language model, or draw it with an image model.

    Continuations are separated by a line of dashes. Images are PNG files, with one line of output per image: path TAB
    prompt. Image n of a prompt, counted from 0, starts from the noise of seed + n: the same in every batch.
    """
    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"--top-p {top_p} is out of range: expected 0 < top_p <= 1")
    drawing = drawing_settings(steps, guidance, solver)
    if next_tokens is not None and prompt is None:
        raise UsageError("--next needs --prompt")
    if output is not None:
        require_writable("--output", output / SHEET)
    prompts = [prompt] if prompt is not None else stdin_lines()

    from regard.inference.decoding import Sampling
    from regard.inference.drawing.text_to_image import TextToImage
    from regard.inference.generate import Writer
    from regard.inference.language_model import LanguageModel

    model = load(run, device, trust)
    noise = secrets.randbelow(2**32) if seed is None else seed
    of_text = {"--temperature": temperature, "--top-k": top_k, "--top-p": top_p}
    of_text |= {"--max-new-tokens": max_new_tokens, "--next": next_tokens}
    of_images = {"--guidance": guidance, "--steps": steps, "--solver": solver, "--output": output}
    if isinstance(model, TextToImage):
        refuse(of_text, model.noun)
        _draw(model, prompts, prompt is not None, number, noise, drawing, output or Path("images"), as_json)
    elif isinstance(model, LanguageModel):
        refuse(of_images, model.noun)
        sampling = Sampling(1.0 if temperature is None else temperature, top_k, top_p)
        writer = Writer(model, sampling, 256 if max_new_tokens is None else max_new_tokens, number, noise, warn)
        _write(writer, prompts, prompt, next_tokens, as_json)
    else:
        raise UsageError(
            f"{run} is {model.noun}, but this verb needs {LanguageModel.noun} or {TextToImage.noun}; "
            f"use regard {model.verb}"
        )


def _write(writer: Writer, prompts: Iterable[str], prompt: str | None, next_tokens: int | None, as_json: bool) -> None:
    """Print continuations."""
    from rich.console import Console

    from regard.inference.generate import ROWS_TOGETHER, print_next_tokens

    if next_tokens is not None and prompt is not None:
        print_next_tokens(writer, prompt, next_tokens, Console(highlight=False))
    elif prompt is not None and writer.number == 1 and not as_json:
        print(prompt, end="", flush=True)
        for text in writer.stream(prompt):
            print(text, end="", flush=True)
        print()
    else:
        together = 1 if prompt is None and stdin_is_terminal() else ROWS_TOGETHER
        for count, written in enumerate(writer.write(prompts, together)):
            if as_json:
                print(json.dumps(written._asdict(), ensure_ascii=False), flush=True)
            else:
                print("---\n" * (count > 0) + written.prompt + written.text, flush=True)


def _draw(
    model: TextToImage,
    prompts: Iterable[str],
    from_option: bool,
    number: int,
    seed: int,
    drawing: Drawing,
    output: Path,
    as_json: bool,
) -> None:
    """Write images and a contact sheet, and print the path and the prompt of each image."""
    import PIL.Image

    from regard.inference.drawing.text_to_image import Wanted
    from regard.observe.draw.contact_sheet import Captioned, write_sheet

    wanted = [
        Wanted(model.read_prompt(prompt, "--prompt" if from_option else f"stdin, line {line}"), seed + count)
        for line, prompt in enumerate(prompts, start=1)
        for count in range(number)
    ]
    if not wanted:
        raise UsageError("stdin is empty: expected a prompt per line, or give --prompt")
    require_writable("--output", output / SHEET)
    warn(f"seed {seed}")
    output.mkdir(parents=True, exist_ok=True)
    drawn = []
    digits = len(str(len(wanted)))
    for count, (each, pixels) in enumerate(zip(wanted, model.draw(wanted, drawing), strict=True), start=1):
        path = output / f"{count:0{digits}}.png"
        PIL.Image.fromarray(pixels).save(path)
        drawn.append(Captioned(each.prompt, pixels))
        if as_json:
            print(json.dumps({"image": str(path), **each._asdict()}, ensure_ascii=False), flush=True)
        else:
            print(f"{path}\t{each.prompt}", flush=True)
    write_sheet(output / SHEET, drawn, columns=min(number, 8) if number > 1 else None)
    warn(f"contact sheet\t{output / SHEET}")
