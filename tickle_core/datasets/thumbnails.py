"""Small grey copies of images: a crude description of the input, the same for every layer."""

import numpy as np
from PIL import Image

from tickle_core.datasets.image_set import ImageSet

SIDE = 8  # pixels
BLOCK = 1024  # images


def thumbnails(images: ImageSet, ids: np.ndarray) -> np.ndarray:
    """Box-averaged 8 x 8 grey copies, flattened: (n, 64) float32 in [0, 1], in the order of ids."""
    small = np.empty((len(ids), SIDE * SIDE), dtype=np.float32)
    for start in range(0, len(ids), BLOCK):
        for offset, pixels in enumerate(images.read(ids[start : start + BLOCK])):
            grey = pixels.mean(axis=2).astype(np.float32)
            reduced = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX)
            small[start + offset] = np.asarray(reduced).ravel() / 255
    return small
