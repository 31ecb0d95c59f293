"""Small image sets to find concepts in."""

import numpy as np
import pytest

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import Geometry, ImageSet

CLASSES = ("n01440764_tench", "cat", "dog", "n02085620_Chihuahua")


@pytest.fixture
def make_images(tmp_path):
    """Makes an image set: per class and split, images of random grey levels."""

    def make(per_class=30, side=12, channels=1, geometry=None, class_names=CLASSES):
        out = tmp_path / "images"
        out.mkdir()
        count = 2 * per_class * len(class_names)
        rng = np.random.default_rng(0)
        levels = rng.integers(20, 230, (count, 1, 1, 1))
        noise = rng.integers(-20, 20, (count, side, side, channels))
        pixels = (levels + noise).astype(np.uint8)
        labels = [row % len(class_names) for row in range(count)]
        splits = ["train" if (row // len(class_names)) % 2 else "test" for row in range(count)]
        contents = image_set.write_images(
            out, iter(pixels), count, pixels.shape[1:], class_names, geometry
        )
        image_set.write_table(out, splits, labels, ["here"] * count, contents, class_names)
        return ImageSet.open(out)

    return make


@pytest.fixture
def square():
    return Geometry(12, 12, "bilinear")
