"""Decoding of image files, as an image viewer shows them.

Pillow decodes, because torchvision's ``decode_image`` is deprecated since torchvision 0.29, and because Pillow also
handles CMYK, 16 bits, palettes, transparency and orientation, and limits the number of pixels.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageOps, UnidentifiedImageError

from regard.data.images.image import Pixels
from regard.errors import RegardError, one_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Names of files in a folder that are images."""

MOST_PIXELS = 1 << 27
"""An image with more pixels is not decoded: a small file can expand to more memory than there is (a decompression
bomb)."""

TOO_LARGE = f"too many pixels; expected at most {MOST_PIXELS:,}"


def decode_file(path: Path) -> Pixels:
    """Decode an image file. See `decode`.

    Raises:
        RegardError: the file cannot be read or decoded; does not name it.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise RegardError(f"{error.strerror}; expected an image file") from error


def decode(content: bytes) -> Pixels:
    """Return an image, RGB "height width channel": the first frame, upright, on a white background.

    Raises:
        RegardError: the content is not an image, is damaged, or has more than MOST_PIXELS pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged metadata and of large images, checked below
            with PIL.Image.open(BytesIO(content)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise RegardError(TOO_LARGE)
                image.load()
                return np.asarray(_on_white(ImageOps.exif_transpose(_with_eight_bits(image))))
    except PIL.Image.DecompressionBombError as error:  # Pillow's own limit, which is higher
        raise RegardError(TOO_LARGE) from error
    except UnidentifiedImageError as error:
        raise RegardError("not an image in a known format; expected PNG, JPEG, GIF, WebP, ...") from error
    except RegardError:
        raise
    except Exception as error:  # a damaged file can make a decoder raise any exception
        raise RegardError(f"damaged image ({one_line(error)})") from error


def _with_eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Reduce greyscale images of 16 or 32 bits, which Pillow would clip."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        most = 1.0 if image.mode == "F" and values.max(initial=0) <= 1 else 65535.0
        return PIL.Image.fromarray((np.clip(values / most, 0, 1) * 255).round().astype(np.uint8))
    return image


def _on_white(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return an RGB image; transparent pixels are white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = PIL.Image.new("RGBA", image.size, "white")
    return PIL.Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
