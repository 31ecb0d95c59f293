"""Folders of the user's own images as concepts, and masks for them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tickle_core.datasets import decoding, image_set, listing
from tickle_core.datasets.image_set import Geometry, ImageSet
from tickle_core.errors import TickleError

COLORS: dict[int, decoding.Color] = {1: "grey", 3: "rgb"}


def files(folder: Path) -> list[Path]:
    """The files of a folder, subfolders included, in the order of their paths."""
    return [
        path
        for path in sorted(folder.rglob("*"), key=Path.as_posix)
        if path.is_file()
        and not any(
            part.startswith(".") or part in listing.LEFT_BEHIND
            for part in path.relative_to(folder).parts
        )
    ]


def decode(paths: Sequence[Path], images: ImageSet) -> np.ndarray:
    """Image files as those of the image set are: uint8 (n, H, W, C).

    Where images of any size became one size in the image set, so they do here; else they have to
    have that size.

    Raises
    ------
    TickleError
        If a file is no usable image, or one of another size.
    """
    color = COLORS[images.channels]
    with decoding.without_warnings():
        found = list(decoding.in_order(partial(_decode, images=images, color=color), paths))
    shape = (0, *images.size, images.channels)
    return np.stack(found) if found else np.empty(shape, np.uint8)


def masks(folder: Path, named: list[Path], images: ImageSet) -> dict[int, np.ndarray]:
    """Masks by the place of the image that they are of: bool (H, W).

    Parameters
    ----------
    named
        The images; a mask belongs to the one of the same name, whatever its ending.

    Raises
    ------
    TickleError
        If a mask is no usable image, of another size, or of no image.
    """
    place_of = {path.stem: place for place, path in enumerate(named)}
    found = {}
    with decoding.without_warnings():
        for path in files(folder):
            if path.stem not in place_of:
                raise TickleError(f"{path} is the mask of no image: none is named {path.stem}")
            found[place_of[path.stem]] = _decode(path, images, "grey")[..., 0] > 127
    return found


def _decode(path: Path, images: ImageSet, color: decoding.Color) -> np.ndarray:
    height, width = images.size
    # Without a geometry an image has to come as it is: a resize to its own size changes nothing.
    geometry = images.geometry or Geometry(min(images.size), min(images.size), "bilinear")
    try:
        decoded = decoding.decode(path, geometry, color)
    except decoding.Unusable as error:
        raise TickleError(f"{path} is no usable image: {error}") from None
    if images.geometry is None:
        with Image.open(path) as image:
            size = image.size
        if size != (width, height):
            raise TickleError(
                f"{path} has {size[0]} x {size[1]} pixels, and the images of the image set have "
                f"{width} x {height}: bring it to that size"
            )
    return decoded


def held_out(images: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which of some images (n, H, W, C) are held out, by their content, (n,) bool."""
    contents = [image_set.content_hash(image) for image in images]
    keys = [image_set.shuffle_key(content, "concept", seed) for content in contents]
    order = sorted(range(len(images)), key=keys.__getitem__)
    chosen = np.zeros(len(images), bool)
    chosen[order[: round(share * len(images))]] = True
    # Copies of an image share a side.
    sides = dict(zip(contents, chosen.tolist(), strict=True))
    return np.array([sides[content] for content in contents], bool)
