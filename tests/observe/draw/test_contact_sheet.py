"""Contact sheets: every image is on the sheet, and can be read back from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from regard.errors import RegardError
from regard.observe.draw.contact_sheet import Captioned, read_sheet, write_sheet


@pytest.mark.parametrize(("side", "columns"), [(24, None), (48, 2), (200, 3)])
def test_the_images_of_a_sheet_are_read_back(tmp_path: Path, side: int, columns: int | None) -> None:
    random = np.random.default_rng(0)
    captions = ["a red circle", "größer " * 40, "", "four"]
    images = [Captioned(text, random.integers(0, 256, (side, side, 3), dtype=np.uint8)) for text in captions]
    path = tmp_path / "new" / "sheet.png"
    write_sheet(path, images, columns)
    found = read_sheet(path)
    assert [each.caption for each in found] == captions
    for one, other in zip(found, images, strict=True):
        assert (one.pixels == other.pixels).all()


def test_captions_are_below_their_images(tmp_path: Path) -> None:
    write_sheet(tmp_path / "s.png", [Captioned("a red circle", np.full((48, 48, 3), 128, np.uint8))])
    pixels = np.asarray(PIL.Image.open(tmp_path / "s.png"))
    below = pixels[8 + 144 :]
    assert below.min() < 100, "there is text"
    assert (pixels[8 : 8 + 144, 8 : 8 + 144] == 128).all()


def test_another_file_is_named_in_the_error(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "other.png")
    for name in ("other.png", "missing.png"):
        with pytest.raises(RegardError, match=f"{name}: not a contact sheet of regard"):
            read_sheet(tmp_path / name)
