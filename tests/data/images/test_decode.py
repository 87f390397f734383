"""Decoding: an image comes out as a viewer shows it, and a damaged one is an error in one line."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from regard.data.images.decode import decode, decode_file
from regard.data.images.image import resize
from regard.errors import RegardError

RED, GREEN, BLUE, WHITE = (200, 30, 40), (20, 160, 60), (30, 60, 210), (255, 255, 255)


def corners(mode: str = "RGB") -> PIL.Image.Image:
    """An image of 24 by 16 pixels whose four quarters differ."""
    image = PIL.Image.new("RGB", (24, 16), WHITE)
    image.paste(RED, (0, 0, 12, 8))
    image.paste(GREEN, (12, 0, 24, 8))
    image.paste(BLUE, (0, 8, 12, 16))
    return image.convert(mode)


def encoded(image: PIL.Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def quarters(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """The colours in the middle of the quarters: top left, top right, bottom left, bottom right."""
    height, width = pixels.shape[:2]
    return [tuple(pixels[y, x].tolist()) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]


def near(found: list[tuple[int, ...]], expected: list[tuple[int, ...]], by: int) -> bool:
    return all(
        abs(a - b) <= by for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    ("content", "by"),
    [
        (encoded(corners()), 0),
        (encoded(corners().quantize()), 12),
        (encoded(corners(), "JPEG", quality=95, subsampling=0), 12),
        (encoded(corners("CMYK"), "JPEG", quality=95), 12),
        (encoded(corners(), "WEBP", lossless=True), 0),
        (encoded(corners().quantize(), "GIF"), 12),
        (encoded(corners(), "BMP"), 0),
        (encoded(corners(), "TIFF"), 0),
    ],
    ids=["png", "palette", "jpeg", "cmyk", "webp", "gif", "bmp", "tiff"],
)
def test_colours_are_those_that_were_saved(content: bytes, by: int) -> None:
    pixels = decode(content)
    assert (pixels.shape, pixels.dtype) == ((16, 24, 3), np.uint8)
    assert near(quarters(pixels), [RED, GREEN, BLUE, WHITE], by)


def test_greyscale_of_8_and_16_bits_have_the_same_brightness() -> None:
    grey = np.linspace(0, 255, 256, dtype=np.uint8).reshape(16, 16)
    eight = decode(encoded(PIL.Image.fromarray(grey)))
    sixteen = decode(encoded(PIL.Image.fromarray(grey.astype(np.uint16) * 257)))
    assert np.array_equal(eight, sixteen)
    assert np.array_equal(eight[..., 0], grey)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(mode: str) -> None:
    image = corners("RGBA")
    image.putalpha(PIL.Image.fromarray(np.where(np.arange(24)[None] < 12, 255, 0).repeat(16, 0).astype(np.uint8)))
    pixels = decode(encoded(image.quantize() if mode == "P" else image.convert(mode)))
    assert near(quarters(pixels)[1::2], [WHITE, WHITE], 0)
    assert quarters(pixels)[0] != WHITE


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, [RED, GREEN, BLUE, WHITE]), (3, [WHITE, BLUE, GREEN, RED]), (6, [BLUE, RED, WHITE, GREEN])],
)
def test_a_photo_is_upright(orientation: int, expected: list[tuple[int, ...]]) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(corners(), "JPEG", quality=95, subsampling=0, exif=exif))
    assert near(quarters(pixels), expected, 12)


def test_the_first_frame_of_an_animation_is_shown() -> None:
    other = PIL.Image.new("RGB", (24, 16), BLUE)
    pixels = decode(encoded(corners(), "GIF", save_all=True, append_images=[other]))
    assert near(quarters(pixels), [RED, GREEN, BLUE, WHITE], 12)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    with pytest.raises(RegardError, match=r"^too many pixels; expected at most 134,217,728$"):
        decode(bomb)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encoded(corners(), "JPEG")[:-200], "^damaged image"),
        (encoded(corners())[:60], "^damaged image"),
        (b"", "^not an image in a known format; expected PNG"),
        (b"just text\n" * 20, "^not an image in a known format; expected PNG"),
    ],
    ids=["truncated jpeg", "truncated png", "empty", "text"],
)
def test_a_damaged_image_is_an_error_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(RegardError, match=message) as error:
        decode(content)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RegardError, match=r"^No such file or directory; expected an image file$"):
        decode_file(tmp_path / "no.png")


def test_resizing_takes_the_centre_square_with_antialiasing() -> None:
    stripes = np.zeros((40, 120, 3), dtype=np.uint8)
    stripes[:, 40:80:2] = 255  # the centre: columns that alternate, which must become grey and not black or white
    small = resize(stripes, 10)
    assert small.shape == (10, 10, 3)
    assert np.all(np.abs(small[:, 1:-1].astype(int) - 128) < 30)
    assert resize(small, 10) is small
