"""Image files decoded and brought to one size and colour mode, in threads and in order."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tickle_core import threads
from tickle_core.datasets.image_set import Geometry
from tickle_core.threads import Item, Result

Color = Literal["grey", "rgb"]
CHANNELS = {"grey": 1, "rgb": 3}

# Not every format that Pillow knows: some start other programs.
FORMATS = ("PNG", "JPEG", "JPEG2000", "GIF", "BMP", "TIFF", "WEBP", "PPM")

# An image with more pixels, as it is stored or once it is resized, is taken for a decompression
# bomb: 512 MiB, at Pillow's four bytes per pixel.
MOST_PIXELS = 2**27

# Larger images than this are decoded one at a time, so that threads do not add up their memory.
LARGE_PIXELS = 2**25
_ONE_LARGE_IMAGE = Lock()

WORKERS = min(8, os.cpu_count() or 1)
LOOK_AHEAD = 64  # results that wait for their turn

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class Unusable(Exception):
    """Why a file cannot become an image of the set."""


def decode(path: Path, geometry: Geometry, color: Color) -> np.ndarray:
    """One image, turned upright, resized and cropped.

    Transparent parts become white. Of an animation, the first frame counts. 16-bit grey keeps its
    upper 8 bits.

    Returns
    -------
    uint8 (image_size, image_size, 1) for grey, (..., 3) for rgb

    Raises
    ------
    Unusable
        If the file is damaged, no image, too large, or of a format or pixel type that is not read.
    """
    with _opened(path, geometry) as file:
        large = file.width * file.height > LARGE_PIXELS
        with _ONE_LARGE_IMAGE if large else nullcontext():
            ImageOps.exif_transpose(file, in_place=True)
            return fit(to_color(file, color), geometry)


def check(path: Path, geometry: Geometry) -> None:
    """Raise what `decode` raises, as far as a file's head shows it: fast, and not complete."""
    with _opened(path, geometry):
        pass


def to_color(image: Image.Image, color: Color) -> Image.Image:
    """Bring an image of any mode to 8-bit grey or RGB.

    Raises
    ------
    Unusable
        If its pixels have 32 bits, whose range nobody knows.
    """
    mode = "RGB" if color == "rgb" else "L"
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise Unusable("the range of its 32-bit pixels is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    # Pillow has no direct way to grey from every mode. Converting to the same mode would copy.
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def fit(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """Resize the shorter side, then cut out the centre: what pretrained networks were shown.

    Equal to the byte to torchvision's `Resize` and `CenterCrop` on a Pillow image. Pillow widens
    the filter when it shrinks an image, which is what prevents aliasing.

    Returns
    -------
    uint8 (image_size, image_size, channels)
    """
    width, height = _resized(image.size, geometry.resize)
    resized = image.resize((width, height), _RESAMPLING[geometry.interpolation])
    side = geometry.image_size
    left, top = round((width - side) / 2), round((height - side) / 2)
    cropped = resized.crop((left, top, left + side, top + side))
    return np.asarray(cropped).reshape(side, side, -1)


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results in the order of the items, worked on in threads (Pillow releases the GIL).

    At most `LOOK_AHEAD` results are kept in memory.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from threads.in_order(pool, work, items, LOOK_AHEAD)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings off the terminal, in all threads.

    They are about sizes, which are checked here, and about odd metadata beside sound pixels.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _opened(path: Path, geometry: Geometry) -> Iterator[Image.Image]:
    """An image file whose head was read; what goes wrong in the block becomes `Unusable`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            _require_bounded(image.size, geometry)
            yield image
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unusable(f"no image of a kind that is read: {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise many kinds on damaged files
        # The text of an error of the system would repeat the path.
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unusable(f"cannot be decoded: {' '.join(text.split())}") from None


def _require_bounded(size: tuple[int, int], geometry: Geometry) -> None:
    for what, (width, height) in {
        "": size,
        " once it is resized": _resized(size, geometry.resize),
    }.items():
        if width * height > MOST_PIXELS:
            raise Unusable(
                f"{width} x {height} pixels{what}, more than the {MOST_PIXELS:,} that are decoded"
            )


def _resized(size: tuple[int, int], resize: int) -> tuple[int, int]:
    """Width and height once the shorter side is `resize`; the longer one is rounded down."""
    width, height = size
    if width <= height:
        return resize, int(resize * height / width)
    return int(resize * width / height), resize
