"""Captions of image files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from regard.data.images.decode import SUFFIXES
from regard.data.images.image import Image
from regard.errors import RegardError, UsageError
from regard.inference.captioner import Captioner

IMAGES_TOGETHER = 32


class Captioned(NamedTuple):
    """An image file, its caption, and the log-probability (natural) of the caption."""

    image: str
    caption: str
    log_probability: float


def image_files(arguments: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    """Yield the image files that arguments name: files, folders with all their subfolders, or ``-`` for ``lines``.

    Raises UsageError for a path that does not exist, and for a folder without images.
    """
    for argument in arguments:
        if argument == "-":
            yield from (line for line in lines if line.strip())
        elif Path(argument).is_dir():
            found = sorted(path for path in Path(argument).rglob("*") if path.suffix.lower() in SUFFIXES)
            if not found:
                raise UsageError(f"{argument}: a folder without images; expected one of {', '.join(SUFFIXES)}")
            yield from map(str, found)
        elif not Path(argument).exists():
            raise UsageError(f"{argument}: no such file; give an image, a folder, or - to read paths from stdin")
        else:
            yield argument


def caption_files(
    captioner: Captioner, paths: Iterable[str], beam_size: int, alpha: float, skip: Callable[[str], None], together: int
) -> Iterator[Captioned]:
    """Yield the caption of each file, in order. ``skip`` is called with the error of a file that cannot be read."""
    remaining = iter(paths)
    while chunk := list(islice(remaining, together)):
        images = []
        for path in chunk:
            try:
                images.append(captioner.source.read(path))
            except RegardError as error:
                skip(str(error))
        yield from _caption(captioner, images, beam_size, alpha)


def _caption(captioner: Captioner, images: list[Image], beam_size: int, alpha: float) -> Iterator[Captioned]:
    examples, _ = captioner.source.encode(images)
    written = dict(captioner.generate(examples, beam_size, alpha))
    for number, image in enumerate(images):
        yield Captioned(image.name, captioner.text(written[number]), written[number].log_probability)
