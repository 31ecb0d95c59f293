"""Small image sets, and a folder for weights and code."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tickle_core.datasets import image_set
from tickle_core.models.zoo import weight_files


@pytest.fixture(scope="session")
def make_set(tmp_path_factory):
    """Write and open an image set; every fourth image is a test image unless `splits` says else."""

    def make(pixels, labels, class_names, splits=None, geometry=None):
        path = tmp_path_factory.mktemp("images")
        count = len(pixels)
        splits = splits or ["test" if i % 4 == 0 else "train" for i in range(count)]
        hashes = image_set.write_images(path, pixels, count, pixels[0].shape, class_names, geometry)
        sources = [str(i) for i in range(count)]
        image_set.write_table(path, splits, list(labels), sources, hashes, class_names)
        return image_set.ImageSet.open(path)

    return make


@pytest.fixture(scope="session")
def halves(make_set):
    """400 noisy images of two classes that differ by where the bright half is, left or top."""
    rng = np.random.default_rng(0)
    labels = (np.arange(400) // 4) % 2  # both on either side of the split
    pixels = rng.integers(0, 100, (400, 28, 28, 1))
    pixels[labels == 0, :, :14] += 100
    pixels[labels == 1, :14, :] += 100
    return make_set(pixels.astype(np.uint8), labels.tolist(), ["left", "top"])


@pytest.fixture(scope="session")
def halves_of_colour(halves, make_set):
    """The same in RGB, 32 x 32."""
    pixels = np.pad(halves.images[:], ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge").repeat(3, 3)
    return make_set(pixels, halves.table["label"].tolist(), halves.class_names)


@pytest.fixture(scope="session")
def photographs(make_set):
    """12 noise images of three classes, RGB, 32 x 32."""
    pixels = np.random.default_rng(1).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    return make_set(pixels, [i % 3 for i in range(12)], ["tench", "Crane", "a cat"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """data/checkpoints, empty, in a project folder of its own."""
    monkeypatch.chdir(tmp_path)
    weight_files.GIVEN.mkdir(parents=True)
    return weight_files.GIVEN


@pytest.fixture
def networks(folder, monkeypatch):
    """A user's module of architectures, `networks`, in data/checkpoints."""
    shutil.copy(Path(__file__).with_name("networks.py"), folder)
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    monkeypatch.syspath_prepend(folder.resolve())
    return folder / "networks.py"
