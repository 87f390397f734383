"""Verbs for models that read images."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from regard.cli.app import app, warn
from regard.cli.inference import BeamSize, LengthPenalty
from regard.cli.models import Device, Run, Trust, load_as
from regard.cli.streams import stdin_is_terminal, stdin_lines


@app.command()
def caption(
    run: Run,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE|FOLDER|- ...", help="Image files, folders, or - for paths on stdin.")
    ],
    beam_size: BeamSize = 1,
    length_penalty: LengthPenalty = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per image.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Describe images, one line per image: path TAB caption. A single image has its caption only.

    Images that cannot be read are named and skipped; the exit code is then 1.
    """
    from regard.inference.caption import IMAGES_TOGETHER, caption_files, image_files
    from regard.inference.captioner import Captioner

    paths = None if "-" in images else list(image_files(images, ()))
    captioner = load_as(Captioner, run, device, trust)
    skipped: list[str] = []

    def skip(error: str) -> None:
        skipped.append(error)
        warn(error)

    interactive = "-" in images and stdin_is_terminal()
    found = image_files(images, stdin_lines()) if paths is None else paths
    together = 1 if interactive else IMAGES_TOGETHER
    for each in caption_files(captioner, found, beam_size, length_penalty, skip, together):
        if as_json:
            print(json.dumps(each._asdict(), ensure_ascii=False), flush=interactive)
        else:
            print(each.caption if paths == [each.image] else f"{each.image}\t{each.caption}", flush=interactive)
    if skipped:
        raise typer.Exit(1)
