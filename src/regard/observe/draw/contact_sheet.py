"""A contact sheet: small images with their captions, in one PNG."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from regard.data.images.image import Pixels
from regard.errors import RegardError
from regard.files import replacing

SHOWN = 144
"""Least side of an image on the sheet, in pixels. Smaller images are enlarged by a whole factor."""
MARGIN, FONT_SIZE, LINES = 8, 12, 3
CHARACTERS = 6.5
"""Mean width of a character, in pixels."""
KEY = "regard"
"""Of the text chunk of the PNG that lists the images."""


class Captioned(NamedTuple):
    """An image and its caption."""

    caption: str
    pixels: Pixels


def draw_sheet(images: Sequence[Captioned], columns: int | None = None) -> PIL.Image.Image:
    """Return a contact sheet of images of the same size, row by row.

    columns: number of images in a row; by default, the sheet is about square
    """
    columns = columns or max(1, round(len(images) ** 0.5))
    side = images[0].pixels.shape[0] if images else SHOWN
    shown = side * max(1, -(-SHOWN // side))
    width, height = shown + MARGIN, shown + MARGIN + LINES * (FONT_SIZE + 2)
    rows = -(-len(images) // columns)
    sheet = PIL.Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    places = []
    for number, (caption, pixels) in enumerate(images):
        left, top = MARGIN + number % columns * width, MARGIN + number // columns * height
        enlarged = PIL.Image.fromarray(pixels).resize((shown, shown), PIL.Image.Resampling.NEAREST)
        sheet.paste(enlarged, (left, top))
        lines = textwrap.wrap(caption, int(shown / CHARACTERS), max_lines=LINES, placeholder=" …")
        pen.multiline_text((left, top + shown + 2), "\n".join(lines), fill="black", font=font, spacing=2)
        places.append((left, top))
    sheet.info = {
        "side": side,
        "shown": shown,
        "images": [(c.caption, *p) for c, p in zip(images, places, strict=True)],
    }
    return sheet


def write_sheet(path: Path, images: Sequence[Captioned], columns: int | None = None) -> None:
    """Write a contact sheet as PNG. It contains the captions and the places of the images, see `read_sheet`."""
    sheet, about = draw_sheet(images, columns), PngInfo()
    about.add_text(KEY, json.dumps(sheet.info))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        sheet.save(beside, format="PNG", pnginfo=about, optimize=True)


def read_sheet(path: Path) -> list[Captioned]:
    """Return the images of a contact sheet, in their original size.

    Raises RegardError if the file was not written by `write_sheet`.
    """
    try:
        with PIL.Image.open(path) as sheet:
            about = json.loads(sheet.info[KEY])
            pixels = np.asarray(sheet.convert("RGB"))
    except (OSError, KeyError, ValueError) as error:
        raise RegardError(f"{path}: not a contact sheet of regard ({error}); draw the images again") from error
    side, shown = about["side"], about["shown"]
    step = shown // side
    return [
        Captioned(caption, pixels[top : top + shown : step, left : left + shown : step])
        for caption, left, top in about["images"]
    ]
