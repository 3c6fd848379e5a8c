"""Image files: the one place that opens them, for checking, for the store and for `predict` alike.

A file is not trusted: its name says nothing, and Pillow would hand a PostScript file to Ghostscript, which runs it. So the
content decides, against the formats that face sets come in, and nothing is decoded before its size is known.
"""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # none of them runs a program or names another file
# Pillow clips these to 255 instead of scaling them, and of colors of 16 bits, which a tile's raw mode tells, drops 8
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
MOST_BYTES = 2**28  # of a file
MOST_PIXELS = 2**26  # 67 million; beyond a photograph, and 200 MB once decoded
warnings.filterwarnings("ignore", module=r"PIL\.")  # of sizes that `open_image` refuses, and of EXIF that it does without


class UnreadableImage(ValueError):
    """Why an image cannot be read, in a few words that do not name its file."""


@contextmanager
def open_image(source: str | os.PathLike | Image.Image) -> Iterator[Image.Image]:
    """The image in a file, not yet decoded, or a copy of one in memory; what goes wrong while it is decoded in the block is an
    UnreadableImage too.

    Raises:
        UnreadableImage: no regular file, none of FORMATS, too large, without pixels, more than 8 bits a channel (whose range
            nobody knows: cameras of 12 bits write such files too), or damaged.
    """
    try:
        with source.copy() if isinstance(source, Image.Image) else open_file(source) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnreadableImage(f"{image.width:,} x {image.height:,} pixels, more than {MOST_PIXELS:,}")
            if not image.width * image.height:
                raise UnreadableImage(f"{image.width} x {image.height} pixels")
            if image.mode in DEEP_MODES or re.search(r";16[BLN]", str(getattr(image, "tile", ""))):
                raise UnreadableImage("more than 8 bits a channel, of which some would be lost; convert it to 8 bits")
            yield image
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow raises a dozen kinds, by format and damage
        raise UnreadableImage(describe(error)) from None


def open_file(file: str | os.PathLike) -> Image.Image:
    found = os.stat(file)
    if not stat.S_ISREG(found.st_mode):  # a pipe would never answer, and /dev/zero never end
        raise UnreadableImage("a folder" if stat.S_ISDIR(found.st_mode) else "no regular file")
    if found.st_size > MOST_BYTES:
        raise UnreadableImage(f"{found.st_size:,} bytes, more than {MOST_BYTES:,}")
    return Image.open(file, formats=FORMATS)


def read_square(source: str | os.PathLike | Image.Image, size: int) -> np.ndarray:
    """[3, size, size] uint8 of an image; see `to_square`. Raises UnreadableImage as `open_image` does."""
    with open_image(source) as image:
        return to_square(image, size)


def to_square(image: Image.Image, size: int) -> np.ndarray:
    """[3, size, size] uint8, in the one way for training and `predict`.

    Upright as its EXIF tells, RGB (gray as three equal channels), on black where it is transparent, and resized, bilinear and
    antialiased, without keeping its aspect.
    """
    image.draft("RGB", (2 * size, 2 * size))  # a JPEG several times too large is decoded at a part of its size
    image.load()
    turn = UPRIGHT.get(orientation(image))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    image = image.convert("RGB")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image.transpose(turn) if turn is not None else image).transpose(2, 0, 1)


UPRIGHT = {  # EXIF orientation -> what turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """1..8 of EXIF; 1, upright, where there is none or it is damaged, which many an image of the web is."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def describe(error: Exception) -> str:
    """What went wrong with a file, in a line that does not name it again."""
    if isinstance(error, UnidentifiedImageError):
        return f"of no known format: {', '.join(FORMATS)}"
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
