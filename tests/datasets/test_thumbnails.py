"""Thumbnails are box averages of the grey image."""

import numpy as np

from tickle_core.datasets import image_set
from tickle_core.datasets.thumbnails import thumbnails


def test_box_averages(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    hashes = image_set.write_images(tmp_path, pixels, 5, (16, 16, 3), ["a", "b"])
    image_set.write_table(
        tmp_path, ["train"] * 5, [0, 1, 0, 1, 0], list("abcde"), hashes, ["a", "b"]
    )
    images = image_set.ImageSet.open(tmp_path)
    ids = np.array([3, 0])
    expected = pixels[ids].mean(3).reshape(2, 8, 2, 8, 2).mean((2, 4)).reshape(2, 64) / 255
    np.testing.assert_allclose(thumbnails(images, ids), expected, atol=1e-5)
