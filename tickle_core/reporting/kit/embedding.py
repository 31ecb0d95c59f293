"""Images and heat maps as data URIs, small enough that a page of many stays a few MB."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

# Sides in pixels of the embedded images. Up to LOSSLESS_SIDE they are embedded as they are, as a
# pixel of theirs counts; photographs are compressed.
LOSSLESS_SIDE = 64
LARGEST_SIDE = 112
SMALLEST_SIDE = 48
MOST_PIXELS = 4_000_000  # of all of them together

# Apart from grey, skin, sky and leaves, and from the yellow that marks the strongest patch.
HEAT = (255, 0, 90)
COLD = (0, 90, 255)  # of what speaks against, where a map has signs
HEAT_OPACITY = 0.65  # of the strongest patch: what it sees stays visible
SIGNED_OPACITY = 0.85
HEAT_SIDE = 28  # patches; a finer map is finer than its thumbnail


def embedded_size(size: tuple[int, int], count: int) -> tuple[int, int]:
    """(height, width) at which `count` images of a size are embedded."""
    if is_small(size):
        return size
    affordable = (MOST_PIXELS / max(1, count)) ** 0.5
    side = min(max(SMALLEST_SIDE, affordable), LARGEST_SIDE, max(size))
    return tuple(max(1, round(side * length / max(size))) for length in size)


def is_small(size: tuple[int, int]) -> bool:
    """Whether images of this (height, width) are embedded as they are."""
    return max(size) <= LOSSLESS_SIDE


def data_uri(pixels: np.ndarray, size: tuple[int, int]) -> str:
    """Data URI of an image (h, w, channels), at `size` (height, width).

    PNG as it is if the image is small, else JPEG.
    """
    # Pillow takes a grey image without its channel axis.
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    if is_small(pixels.shape[:2]):
        kind = "png"
        image.save(file, "PNG", optimize=True)
    else:
        kind = "jpeg"
        small = image.resize((size[1], size[0]), Image.Resampling.BOX)
        small.save(file, "JPEG", quality=85, subsampling=0)
    return _uri(kind, file)


def read(path: Path) -> np.ndarray:
    """The pixels (h, w, channels) of a picture that a stage left."""
    pixels = np.asarray(Image.open(path))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def overlay(heat: np.ndarray) -> str:
    """Data URI of a heat map (height, width) of values in [0, 1]: a colour, more or less opaque.

    A map of more than `HEAT_SIDE` patches a side keeps the maximum of neighbours, since a mean
    would hide a single patch.
    """
    for axis, side in enumerate(heat.shape):
        if side > HEAT_SIDE:
            starts = np.arange(HEAT_SIDE) * side // HEAT_SIDE
            heat = np.maximum.reduceat(heat, starts, axis)
    pixels = np.empty((*heat.shape, 4), np.uint8)
    pixels[..., :3] = HEAT
    pixels[..., 3] = np.rint(255 * HEAT_OPACITY * np.clip(heat, 0, 1))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return _uri("png", file)


def signed_overlay(values: np.ndarray) -> str:
    """Data URI of a map (height, width) of either sign: warm for, cold against, full at the 99 %
    point of absolute values, which single pixels cannot stretch.

    A map of more than `HEAT_SIDE` patches a side keeps the mean of neighbours.
    """
    for axis, side in enumerate(values.shape):
        if side > HEAT_SIDE:
            starts = np.arange(HEAT_SIDE) * side // HEAT_SIDE
            counts = np.diff(np.append(starts, side)).reshape([-1, 1] if axis == 0 else [1, -1])
            values = np.add.reduceat(values, starts, axis) / counts
    strength = np.abs(values)
    most = np.quantile(strength, 0.99) or strength.max() or 1.0
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = np.where(values[..., None] >= 0, HEAT, COLD)
    pixels[..., 3] = np.rint(255 * SIGNED_OPACITY * np.clip(strength / most, 0, 1))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return _uri("png", file)


def _uri(kind: str, file: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
