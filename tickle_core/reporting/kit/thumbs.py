"""Images of the set with what a layer makes of them: a marked patch, a heat map."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Thumb:
    """An image of the set, small.

    Attributes
    ----------
    mark
        (x, y, width, height), in pixels of the image, of the strongest patch; None where the
        strongest token is no patch.
    token
        What it is then: class or register; else empty.
    heat
        Data URI of a map over the patches, to be laid over the image; None where there are no
        patches to tell apart.
    """

    image_id: int
    class_name: str
    value: float
    mark: tuple[float, float, float, float] | None
    token: str
    heat: str | None


def thumb(
    image_id: int,
    class_of: np.ndarray,
    value: float,
    position: int,
    layer: dict[str, Any],
    size: tuple[int, int],
    heat: str | None = None,
) -> Thumb:
    """An image with its strongest position among a layer's tokens; -1 stands for none.

    Parameters
    ----------
    class_of
        Class name of each image of the set.
    layer
        Its entry of the model's card.
    size
        (height, width) of the images.
    """
    prefix = layer["prefix"]
    token = prefix[position] if 0 <= position < len(prefix) else ""
    patch = mark(position - len(prefix), layer["grid"], size)
    return Thumb(image_id, class_of[image_id], value, patch, token, heat)


def mark(
    position: int, grid: tuple[int, int] | None, size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """The rectangle (x, y, width, height) of a grid cell in an image of `size` (height, width)."""
    if grid is None or position < 0:
        return None
    row, column = divmod(position, grid[1])
    height, width = size[0] / grid[0], size[1] / grid[1]
    return column * width, row * height, width, height
