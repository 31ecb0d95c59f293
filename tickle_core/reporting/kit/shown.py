"""The images that the page shows: each is embedded once, however many parts of it show it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tickle_core.datasets.image_set import ImageSet
from tickle_core.reporting.kit import embedding

READ_AT_ONCE = 256


@dataclass(frozen=True)
class Shown:
    """Embedded images.

    Attributes
    ----------
    uris
        Data URI by image id.
    size
        (width, height) at which all are drawn, in pixels of the image set; they may be embedded
        smaller.
    crisp
        Whether they are the images as they are, to be shown pixel by pixel.
    """

    uris: dict[int, str]
    size: tuple[int, int]
    crisp: bool


def shown(images: ImageSet, ids: Collection[int]) -> Shown:
    """Embed some images of the set."""
    size = images.size
    ordered = np.array(sorted(ids), dtype=np.int64)
    embedded = embedding.embedded_size(size, len(ordered))
    uris = {}
    for start in range(0, len(ordered), READ_AT_ONCE):
        block = ordered[start : start + READ_AT_ONCE]
        for image_id, pixels in zip(block.tolist(), images.read(block), strict=True):
            uris[image_id] = embedding.data_uri(pixels, embedded)
    return Shown(uris, (size[1], size[0]), embedding.is_small(size))
