"""Image files decoded and brought to one size and colour mode, in threads and in order."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from tickle_core import threads
from tickle_core.datasets import damage, tiff_strips
from tickle_core.datasets.image_set import RANGE_16BIT, Geometry
from tickle_core.threads import Item, Result

Color = Literal["grey", "rgb"]
CHANNELS = {"grey": 1, "rgb": 3}

# Metadata, of which only the orientation is looked at; by default Pillow refuses sound images for
# more than 1 MiB of it.
PngImagePlugin.MAX_TEXT_CHUNK = 2**26

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


@dataclass(frozen=True)
class Loaded:
    """An image of the set, and what its file was like.

    Attributes
    ----------
    pixels
        uint8 (image_size, image_size, 1) for grey, (..., 3) for rgb.
    highest
        Highest value of a 16-bit file, in colour to 8 bits; None for others.
    """

    pixels: np.ndarray
    highest: int | None


def decode(path: Path, geometry: Geometry, color: Color) -> np.ndarray:
    """The pixels of `load`."""
    return load(path, geometry, color).pixels


def load(path: Path, geometry: Geometry, color: Color) -> Loaded:
    """One image, turned upright, resized and cropped.

    Transparent parts become white. Of an animation, the first frame counts. 16-bit grey is brought
    to 8 bits as `geometry.range_16bit` says, 16-bit colour keeps its upper 8 bits.

    Raises
    ------
    Unusable
        If the file is damaged, no image, too large, or of a format or pixel type that is not read.
    """
    with _opened(path, geometry) as file:
        large = file.width * file.height > LARGE_PIXELS
        with _ONE_LARGE_IMAGE if large else nullcontext():
            if trouble := damage.found(path, file):
                raise Unusable(trouble)
            highest = _highest(file, geometry)
            ImageOps.exif_transpose(file, in_place=True)
            return Loaded(fit(to_color(file, color, geometry.range_16bit), geometry), highest)


def check(path: Path, geometry: Geometry) -> None:
    """Raise what `decode` raises, as far as a file's head shows it: fast, and not complete."""
    with _opened(path, geometry):
        pass


def to_color(
    image: Image.Image, color: Color, range_16bit: tuple[int, int] = RANGE_16BIT
) -> Image.Image:
    """Bring an image of any mode to 8-bit grey or RGB.

    Parameters
    ----------
    range_16bit
        Values of 16-bit grey that become black and white; what lies beyond becomes these too.

    Raises
    ------
    Unusable
        If its pixels have 32 bits, whose range nobody knows.
    """
    mode = "RGB" if color == "rgb" else "L"
    if image.mode.startswith("I;16"):
        low, high = range_16bit
        values = np.asarray(image).astype(np.int64) - low
        levels = (values * 256 // (high - low + 1)).clip(0, 255)
        return Image.fromarray(levels.astype(np.uint8)).convert(mode)
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
def _opened(path: Path, geometry: Geometry) -> Iterator[ImageFile.ImageFile]:
    """An image file whose head was read; what goes wrong in the block becomes `Unusable`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            _require_bounded(image.size, geometry)
            if damage.implausible(path, image.size):
                raise Unusable(
                    f"its head announces {image.width} x {image.height} pixels, for which "
                    f"{path.stat().st_size} bytes are too few"
                )
            yield image
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unusable(_unidentified(path)) from None
    except Exception as error:  # decoders raise many kinds on damaged files
        # The text of an error of the system would repeat the path.
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unusable(f"cannot be decoded: {' '.join(text.split())}") from None


def _unidentified(path: Path) -> str:
    """Why Pillow does not know a file."""
    if path.stat().st_size == 0:
        return "empty"
    with path.open("rb") as file:
        if file.read(len(damage.PNG_SIGNATURE)) == damage.PNG_SIGNATURE:
            return damage.png(path) or "a PNG that cannot be decoded"
    try:
        kind = tiff_strips.kind(path)
    except Exception:  # its head may be damaged in any way
        kind = ""
    if kind:
        return f"{kind}, which is not read: save it as grey or RGB, with 8 or 16 bits"
    return f"no image of a kind that is read: {', '.join(FORMATS)}"


def _highest(image: ImageFile.ImageFile, geometry: Geometry) -> int | None:
    """Highest value of a file that has 16 bits; the file is still to be read."""
    arguments = image.tile[0].args if image.tile else ""
    raw_mode = arguments if isinstance(arguments, str) else str((arguments or [""])[0])
    if image.mode.startswith("I;16"):
        return int(np.asarray(image).max())
    if "16" not in raw_mode:
        return None
    if geometry.range_16bit != RANGE_16BIT:
        raise Unusable("16-bit colour has no range: save it with 8 bits, or as grey")
    return int(np.asarray(image).max()) << 8 | 255


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
