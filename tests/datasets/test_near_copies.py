"""Copies that were saved otherwise are found, images of the same kind are not."""

import io

import numpy as np
import pytest
import zarr
from PIL import Image

from tickle_core.datasets import near_copies

SIDE = 128


def scene(seed):
    """A smooth random picture with detail: (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    found = np.zeros((SIDE, SIDE, 3))
    for cells, weight in ((4, 60), (8, 30), (16, 20), (32, 20)):
        noise = rng.normal(0, 1, (cells, cells, 3))
        for band in range(3):
            layer = Image.fromarray(noise[..., band].astype(np.float32))
            large = layer.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            found[..., band] += weight * np.asarray(large)
    return (128 + found).clip(0, 255).astype(np.uint8)


def compressed(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(pixels, side):
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def found(pictures, contents=None):
    images = zarr.array(np.stack(pictures), chunks=(2, SIDE, SIDE, pictures[0].shape[-1]))
    contents = contents or [f"{place}" for place in range(len(pictures))]
    return near_copies.pairs(images, contents).tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: compressed(pixels, 40),
        lambda pixels: resized(pixels, SIDE // 2),
        lambda pixels: pixels[:, ::-1],
        lambda pixels: compressed(pixels[:, ::-1], 60),
        lambda pixels: (pixels * 0.85).astype(np.uint8),
        lambda pixels: np.repeat(pixels.mean(2, keepdims=True), 3, 2).astype(np.uint8),
    ],
    ids=["jpeg", "half the size", "flip", "flip and jpeg", "darker", "grey"],
)
def test_a_near_copy_is_found_and_nothing_else(change):
    pictures = [scene(seed) for seed in range(40)]
    assert found([*pictures, change(pictures[7])]) == [[7, 40]]


def test_different_images_of_one_kind_are_none():
    """The same coarse shapes, other details: as of X-rays, or products on white."""
    base = resized(scene(0), 6).astype(float)
    rng = np.random.default_rng(1)
    pictures = [
        (base + rng.normal(0, 10, base.shape)).clip(0, 255).astype(np.uint8) for _ in range(20)
    ]
    assert found(pictures) == []


def test_exact_copies_are_not_among_them():
    picture = scene(0)
    assert found([picture, picture, scene(1)], ["a", "a", "b"]) == []


def test_flat_images_are_like_nothing():
    assert found([np.full((SIDE, SIDE, 1), value, np.uint8) for value in range(5)]) == []


def test_many_near_copies_hang_together():
    pictures = [compressed(scene(3), quality) for quality in range(30, 95, 3)]
    pairs = found([*pictures, scene(4)])
    reached = {0}
    for _ in pictures:
        reached |= {place for pair in pairs if reached & set(pair) for place in pair}
    assert reached == set(range(len(pictures)))
